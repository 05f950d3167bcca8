// Package lubdub_test holds the project to the rules of docs/architecture.md
// by reading its source. A rule that is wrong is changed here and on its page
// in one commit, with the reason; it is never worked around.
package lubdub_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lubdub/internal/config"
)

var update = flag.Bool("update", false, "write docs/depends.txt anew")

// module is ours, as in go.mod.
const module = "lubdub"

// room is a package, what it may use of ours, and why no more.
type room struct {
	name  string
	floor int
	uses  string
	why   string
}

// house is every package: imports point down, from a higher floor to a lower
// one, and only to what is named here.
func house() []room {
	return []room{
		{"wire", 1, "", "a codec is tested with bytes alone"},
		{"link", 1, "", "a link carries datagrams; it does not know what a node, a group or a heartbeat is"},
		{"vip", 1, "", "an address is judged against the kernel; it does not know what a node, a group or a heartbeat is"},
		{"ping", 1, "", "a neighbour is asked whether it is there; what that means for a node or a group is for the core"},
		{"lab", 1, "", "what judges the program shares no code with it"},
		{"cluster", 2, "wire", "the core decides from values alone, so that a whole cluster runs in one test"},
		{"config", 3, "cluster", "configuration is text in, values out"},
		{"api", 3, "cluster", "the JSON types are made of the core's; the daemon comes in as an interface"},
		{"agent", 3, "cluster vip", "an agent carries out what the core wants, and the built-in one is an address"},
		{"sim", 3, "cluster wire", "the virtual world plays every edge itself"},
		{"proxy", 4, "api config", "the reverse proxy is a process of its own without privileges: no daemon, agent, vip or link in it"},
		{"daemon", 4, "agent api cluster config link ping vip wire", "the only place where the core and the edges meet"},
		{"demo", 4, "api lab", "the demo shows the program from outside: it runs it and asks it, and judges by what a client sees"},
		{"cmd/lubdub", 5, "agent api cluster config daemon demo lab proxy vip wire", "the commands put everything together; the simulator is for tests"},
		{"bench", 5, "cluster lab", "what is compared is measured from outside; the core alone is fed beats, to see its heap"},
		{"test", 5, "", "the stories are tests"},
	}
}

// ban is what some packages may not do. Imports end in "/..." for a whole tree;
// names are as "time.Now()" for a function and "sync.Mutex" for a type, with *.
type ban struct {
	rooms   string
	imports string
	names   string
	async   bool // no go statement and no channel
	why     string
}

const (
	clocks   = "time.Now() time.Since() time.Until() time.Sleep() time.After() time.AfterFunc() time.Tick() time.NewTimer() time.NewTicker()"
	networks = "net.Dial*() net.Dialer net.Listen*() net.ListenConfig net.Lookup*() net.Resolve*() net.Resolver net.Interface*()"
	writes   = "os.Create() os.CreateTemp() os.WriteFile() os.Mkdir*() os.Remove*() os.Rename() os.Chmod() os.Chown() os.Link() os.Symlink() os.Truncate()"
)

func bans() []ban {
	return []ban{
		{
			rooms:   "wire cluster",
			imports: "net net/http/... os os/... context sync sync/... log log/... math/rand/... crypto/rand syscall golang.org/x/sys/... runtime/...",
			names:   clocks, async: true,
			why: "the core and its message are pure: no goroutine, lock, channel, clock, chance, log, socket or file, so that one seed replays a night (net/netip is allowed: it is a value, not a network)",
		},
		{
			rooms: "sim", imports: "math/rand crypto/rand hash/maphash net net/http/... os/exec", names: clocks + " math/rand/v2.[^N]*()",
			why: "the virtual world knows one clock and one seed, its own: else a night cannot be replayed",
		},
		{
			rooms:   "config",
			imports: "net/http/... os/exec golang.org/x/... github.com/vishvananda/... github.com/mdlayher/... github.com/google/nftables/...",
			names:   networks + " " + writes,
			why:     "reading a configuration touches no network and changes nothing; what it must know of interfaces comes in as a value (net, net/netip and net/url may take text apart)",
		},
		{
			rooms: "daemon", names: "sync.Mutex sync.RWMutex sync.Cond sync.NewCond() sync.Map",
			why: "state has one owner, a goroutine; the others get copies",
		},
		{
			rooms: "wire link vip ping cluster config api agent sim proxy daemon cmd/lubdub", names: "time.Sleep()",
			why: "a sleep is a guess, and cannot be ended: wait for the thing itself",
		},
	}
}

// The limits of docs/architecture.md.
const (
	maxPackages   = 16
	maxFuncLines  = 70
	maxCyclomatic = 15
	maxFileLines  = 600
	maxCmdLines   = 300 // a command is a small file
	maxExported   = 40
)

// pkg is one of our packages, without its tests.
type pkg struct {
	name  string // as in room
	fset  *token.FileSet
	files []*ast.File
	types *types.Package
	info  *types.Info
	list  listed
}

// listed is what go list says about a package.
type listed struct {
	ImportPath, Dir, Export                     string
	GoFiles, Imports, TestImports, XTestImports []string
	DepOnly, Standard                           bool
	Module                                      *struct{ Path string }
	Error                                       *struct{ Err string }
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Export,GoFiles,Imports,TestImports,XTestImports,DepOnly,Standard,Module,Error"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// load reads and type-checks our packages. The types of all others come from
// what the compiler has left in its cache.
func load(t *testing.T) []*pkg {
	t.Helper()
	exports := map[string]string{}
	var ours []*pkg
	for _, l := range goList(t, "-e", "-export", "-deps", "./...") {
		exports[l.ImportPath] = l.Export
		if name, ok := strings.CutPrefix(l.ImportPath, module+"/"); ok && len(l.GoFiles) > 0 {
			ours = append(ours, &pkg{name: strings.TrimPrefix(name, "internal/"), list: l})
		}
	}
	for i, p := range ours {
		p.parse(t)
		imports := importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
		p.info = &types.Info{Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
		var err error
		if p.types, err = (&types.Config{Importer: imports}).Check(p.list.ImportPath, p.fset, p.files, p.info); err != nil {
			t.Errorf("%s does not compile, and nothing of it is checked: %v", p.name, err)
			ours[i] = nil
		}
	}
	return slices.DeleteFunc(ours, func(p *pkg) bool { return p == nil })
}

func (p *pkg) parse(t *testing.T) {
	t.Helper()
	p.fset = token.NewFileSet()
	for _, name := range p.list.GoFiles {
		f, err := parser.ParseFile(p.fset, filepath.Join(p.list.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, f)
	}
}

// at is a place in the source as file:line below the root.
func (p *pkg) at(pos token.Pos) string {
	at := p.fset.Position(pos)
	name := at.Filename
	if root, err := os.Getwd(); err == nil {
		name = strings.TrimPrefix(name, root+"/")
	}
	return fmt.Sprintf("%s:%d", name, at.Line)
}

// inspect shows every node of the package to f.
func (p *pkg) inspect(f func(ast.Node)) {
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool { f(n); return true })
	}
}

// TestHouse checks the source of every package.
func TestHouse(t *testing.T) {
	packages := load(t)
	t.Run("floors", func(t *testing.T) { checkFloors(t, packages) })
	t.Run("bans", func(t *testing.T) { checkBans(t, packages) })
	t.Run("sizes", func(t *testing.T) { checkSizes(t, packages) })
	t.Run("exported", func(t *testing.T) { checkExported(t, packages) })
	t.Run("state", func(t *testing.T) { checkState(t, packages) })
}

// checkFloors holds imports to the plan of the house.
func checkFloors(t *testing.T, packages []*pkg) {
	if len(packages) > maxPackages {
		t.Errorf("%d packages, at most %d: a new one needs a reason that no existing one can carry", len(packages), maxPackages)
	}
	rooms := map[string]room{}
	for _, r := range house() {
		rooms[r.name] = r
	}
	for _, p := range packages {
		r, ok := rooms[p.name]
		if !ok {
			t.Errorf("package %s has no place in the house: give it a floor and a reason in house_test.go and docs/architecture.md", p.name)
			continue
		}
		for _, imported := range p.list.Imports {
			name, ok := strings.CutPrefix(imported, module+"/internal/")
			switch {
			case !ok:
			case !slices.Contains(strings.Fields(r.uses), name):
				t.Errorf("%s imports %s, and may use of ours only [%s]: %s", p.name, name, r.uses, r.why)
			case rooms[name].floor >= r.floor:
				t.Errorf("%s (floor %d) imports %s (floor %d): imports point down", p.name, r.floor, name, rooms[name].floor)
			}
		}
	}
}

func checkBans(t *testing.T, packages []*pkg) {
	for _, b := range bans() {
		for _, p := range packages {
			if slices.Contains(strings.Fields(b.rooms), p.name) {
				b.check(t, p)
			}
		}
	}
}

func (b ban) check(t *testing.T, p *pkg) {
	for _, imported := range p.list.Imports {
		if b.bansImport(imported) {
			t.Errorf("%s imports %s: %s", p.name, imported, b.why)
		}
	}
	p.inspect(func(n ast.Node) {
		if b.async && isAsync(n) {
			t.Errorf("%s: a go statement or channel: %s", p.at(n.Pos()), b.why)
		}
		id, ok := n.(*ast.Ident)
		if !ok {
			return
		}
		name := fullName(p.info.Uses[id])
		for _, pattern := range strings.Fields(b.names) {
			if found, err := path.Match(pattern, name); err != nil || found {
				t.Errorf("%s: %s: %s", p.at(id.Pos()), name, b.why)
			}
		}
	})
}

func (b ban) bansImport(imported string) bool {
	for _, banned := range strings.Fields(b.imports) {
		tree, whole := strings.CutSuffix(banned, "/...")
		if imported == tree || whole && strings.HasPrefix(imported, tree+"/") {
			return true
		}
	}
	return false
}

// fullName is the name of a package's function or type, such as "time.Now()".
// Methods have none.
func fullName(o types.Object) string {
	if o == nil || o.Pkg() == nil || o.Parent() != o.Pkg().Scope() {
		return ""
	}
	name := o.Pkg().Path() + "." + o.Name()
	if _, ok := o.(*types.Func); ok {
		name += "()"
	}
	return name
}

func isAsync(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt, *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
		return true
	case *ast.UnaryExpr:
		return n.Op == token.ARROW
	}
	return false
}

func checkSizes(t *testing.T, packages []*pkg) {
	functions, large := 0, 0
	for _, p := range packages {
		most := maxFileLines
		if strings.HasPrefix(p.name, "cmd/") {
			most = maxCmdLines
		}
		for _, f := range p.files {
			if n := p.fset.File(f.Pos()).LineCount(); n > most {
				t.Errorf("%s: %d lines, at most %d: one idea a file", p.at(f.Package), n, most)
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil {
					continue
				}
				lines, paths := p.fset.Position(fn.End()).Line-p.fset.Position(fn.Pos()).Line+1, cyclomatic(fn)
				if lines > maxFuncLines {
					t.Errorf("%s: %s has %d lines, at most %d: a function fits a screen", p.at(fn.Pos()), fn.Name.Name, lines, maxFuncLines)
				}
				if paths > maxCyclomatic {
					t.Errorf("%s: %s has cyclomatic complexity %d, at most %d: make a table or a helper of it", p.at(fn.Pos()), fn.Name.Name, paths, maxCyclomatic)
				}
				functions++
				if lines > 35 || paths > 8 {
					large++
				}
			}
		}
	}
	t.Logf("%d functions, %.1f %% of them above 35 lines or complexity 8 (aim: below 10 %%)", functions, 100*float64(large)/float64(max(functions, 1)))
}

// cyclomatic is the number of independent paths through a function, those of
// its literals included: one, and one more at each place where it may branch.
func cyclomatic(fn *ast.FuncDecl) int {
	paths := 1
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			paths++
		case *ast.CaseClause:
			if n.List != nil {
				paths++
			}
		case *ast.CommClause:
			if n.Comm != nil {
				paths++
			}
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				paths++
			}
		}
		return true
	})
	return paths
}

// checkExported counts what a package shows and looks for the words to it.
func checkExported(t *testing.T, packages []*pkg) {
	for _, p := range packages {
		if !slices.ContainsFunc(p.files, func(f *ast.File) bool { return f.Doc != nil }) {
			t.Errorf("package %s has no comment: doc.go tells its story", p.name)
		}
		if names := p.exported(); len(names) > maxExported {
			t.Errorf("package %s exports %d names, at most %d: export what another package needs today: %s", p.name, len(names), maxExported, strings.Join(names, " "))
		}
		for _, f := range p.files {
			for _, d := range f.Decls {
				p.checkDoc(t, d)
			}
		}
	}
}

// exported are the names that a reader has to know: types, functions and
// variables. The constants of a type, and the cases of a closed sum (an
// interface with an unexported method), count with it: they are one idea.
func (p *pkg) exported() []string {
	var sums []*types.Interface
	scope := p.types.Scope()
	for _, name := range scope.Names() {
		if i, ok := scope.Lookup(name).Type().Underlying().(*types.Interface); ok && token.IsExported(name) && isClosed(i) {
			sums = append(sums, i)
		}
	}
	var names []string
	for _, name := range scope.Names() {
		o := scope.Lookup(name)
		if !token.IsExported(name) {
			continue
		}
		switch o.(type) {
		case *types.Const:
			if named, ok := o.Type().(*types.Named); ok && named.Obj().Pkg() == p.types {
				continue
			}
		case *types.TypeName:
			isCase := func(i *types.Interface) bool {
				return !types.IsInterface(o.Type()) && (types.Implements(o.Type(), i) || types.Implements(types.NewPointer(o.Type()), i))
			}
			if slices.ContainsFunc(sums, isCase) {
				continue
			}
		}
		names = append(names, name)
	}
	return names
}

func isClosed(i *types.Interface) bool {
	for m := range i.Methods() {
		if !m.Exported() {
			return true
		}
	}
	return false
}

// checkDoc wants a comment that begins with the name at everything exported.
func (p *pkg) checkDoc(t *testing.T, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !isWellKnown(d) && token.IsExported(d.Name.Name) && token.IsExported(receiver(d)) {
			p.wantDoc(t, d.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if token.IsExported(s.Name.Name) {
					p.wantDoc(t, s.Name, cmp.Or(s.Doc, d.Doc))
				}
			case *ast.ValueSpec:
				i := slices.IndexFunc(s.Names, func(id *ast.Ident) bool { return id.IsExported() })
				if i >= 0 && d.Lparen.IsValid() && d.Doc != nil {
					continue // the group's comment is enough
				}
				if i >= 0 {
					p.wantDoc(t, s.Names[i], cmp.Or(s.Doc, d.Doc, s.Comment))
				}
			}
		}
	}
}

func (p *pkg) wantDoc(t *testing.T, name *ast.Ident, doc *ast.CommentGroup) {
	if first, _, _ := strings.Cut(strings.TrimSpace(doc.Text()), " "); strings.TrimRight(first, ",.:'s") != strings.TrimRight(name.Name, "s") {
		t.Errorf("%s: %s has no comment that begins with its name", p.at(name.Pos()), name.Name)
	}
}

// isWellKnown says that a method's story is told by the interface it is for.
func isWellKnown(d *ast.FuncDecl) bool {
	known := []string{"Error", "Unwrap", "Is", "String", "Read", "Write", "Close", "ServeHTTP"}
	return d.Recv != nil && slices.Contains(known, d.Name.Name)
}

// receiver is the type of a method; of a plain function its own name.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	e := d.Recv.List[0].Type
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if generic, ok := e.(*ast.IndexExpr); ok {
		e = generic.X
	}
	return e.(*ast.Ident).Name
}

// checkState looks for init functions and for package variables that change.
func checkState(t *testing.T, packages []*pkg) {
	const why = "a package has no state of its own: two of it in one test would be one"
	for _, p := range packages {
		changed := func(e ast.Expr) {
			if v := p.packageVariable(e); v != nil {
				t.Errorf("%s: the package variable %s is changed, or may be through its address: %s", p.at(e.Pos()), v.Name(), why)
			}
		}
		p.inspect(func(n ast.Node) {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: init: %s", p.at(n.Pos()), why)
				}
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					changed(e)
				}
			case *ast.IncDecStmt:
				changed(n.X)
			case *ast.RangeStmt:
				changed(n.Key)
				changed(n.Value)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					changed(n.X)
				}
			case *ast.CallExpr:
				p.changedByCall(n, changed)
			}
		})
	}
}

// changedByCall reports what a call may change: the operand of delete, clear
// and copy, and a variable whose method wants a pointer.
func (p *pkg) changedByCall(call *ast.CallExpr, changed func(ast.Expr)) {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		if b, ok := p.info.Uses[fn].(*types.Builtin); ok && slices.Contains([]string{"delete", "clear", "copy"}, b.Name()) {
			changed(call.Args[0])
		}
	case *ast.SelectorExpr:
		s := p.info.Selections[fn]
		if s == nil || s.Kind() != types.MethodVal {
			return
		}
		_, isPointer := s.Recv().Underlying().(*types.Pointer)
		_, wantsPointer := s.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
		if wantsPointer && !isPointer {
			changed(fn.X)
		}
	}
}

// packageVariable is the variable at the root of an expression such as v.f[i],
// if it belongs to the package, or to another one.
func (p *pkg) packageVariable(e ast.Expr) types.Object {
	switch e := e.(type) {
	case *ast.Ident:
		if v, ok := p.info.Uses[e].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
			return v
		}
	case *ast.IndexExpr:
		return p.packageVariable(e.X)
	case *ast.StarExpr:
		return p.packageVariable(e.X)
	case *ast.ParenExpr:
		return p.packageVariable(e.X)
	case *ast.SelectorExpr:
		if p.info.Selections[e] == nil {
			return p.packageVariable(e.Sel) // another package's name
		}
		return p.packageVariable(e.X)
	}
	return nil
}

// TestDirectDependencies compares the modules that we import with the table of
// docs/architecture.md, where each has its reason.
func TestDirectDependencies(t *testing.T) {
	modules, direct := map[string]string{}, map[string]bool{}
	var ours []listed
	for _, l := range goList(t, "-deps", "-test", "./...") {
		switch {
		case l.Module == nil || strings.Contains(l.ImportPath, " ") || strings.HasSuffix(l.ImportPath, ".test"):
		case l.Module.Path == module:
			ours = append(ours, l)
		default:
			modules[l.ImportPath] = l.Module.Path
		}
	}
	for _, l := range ours {
		for _, i := range slices.Concat(l.TestImports, l.XTestImports) {
			if !direct[modules[i]] {
				direct[modules[i]] = false
			}
		}
		for _, i := range l.Imports {
			direct[modules[i]] = true
		}
	}
	delete(direct, "")
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (program|tests) \\| (.+) \\|$").FindAllStringSubmatch(read(t, "docs/architecture.md"), -1) {
		rows[m[1]] = m[2]
	}
	for path, linked := range direct {
		if want := map[bool]string{true: "program", false: "tests"}[linked]; rows[path] != want {
			t.Errorf("the table of dependencies in docs/architecture.md has no row for %s (%s): a new one is a decision, with its reason", path, want)
		}
		delete(rows, path)
	}
	for path := range rows {
		t.Errorf("the table of dependencies in docs/architecture.md has a row for %s, which nothing imports", path)
	}
}

// TestLinkedModules compares the modules that the binary links with docs/depends.txt.
func TestLinkedModules(t *testing.T) {
	linked := map[string]bool{}
	for _, l := range goList(t, "-deps", "./cmd/lubdub") {
		if l.Module != nil && l.Module.Path != module {
			linked[l.Module.Path] = true
		}
	}
	got := strings.Join(slices.Sorted(maps.Keys(linked)), "\n") + "\n"
	if *update {
		if err := os.WriteFile("docs/depends.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, "docs/depends.txt"); got != want {
		t.Errorf("docs/depends.txt is out of date; a new line is a decision, with its reason in the commit, and go test . -update writes it. The binary links:\n%s", got)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// texts are the files of the project, without what is built or recorded.
func texts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == "bin"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil && !bytes.ContainsRune(text, 0) {
			found[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestTexts makes sure that the project stands alone: nothing names the place
// where it was written, and every page that is cited exists.
func TestTexts(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	page := regexp.MustCompile(`[\w./-]*\w\.md\b`)
	for name, text := range texts(t) {
		for _, place := range []string{root + "/", "../" + "shared"} {
			if i := strings.Index(text, place); i >= 0 {
				t.Errorf("%s:%d: %s names a place outside the project", name, 1+strings.Count(text[:i], "\n"), place)
			}
		}
		if ext := path.Ext(name); ext != ".go" && ext != ".md" || strings.Contains(name, "testdata/") {
			continue
		}
		for _, at := range page.FindAllStringIndex(text, -1) {
			cited := text[at[0]:at[1]]
			places := []string{cited, filepath.Join(filepath.Dir(name), cited)}
			exists := func(p string) bool { _, err := os.Stat(p); return err == nil }
			if !strings.HasPrefix(cited, "//") && !slices.ContainsFunc(places, exists) {
				t.Errorf("%s:%d: the page %s does not exist", name, 1+strings.Count(text[:at[0]], "\n"), cited)
			}
		}
	}
}

// TestRulesCited makes sure that every rule that the code cites stands in docs/protocol.md.
func TestRulesCited(t *testing.T) {
	defined := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\* \*\*([OKSCBHM]\d) `).FindAllStringSubmatch(read(t, "docs/protocol.md"), -1) {
		defined[m[1]] = true
	}
	cite := regexp.MustCompile(`(?:[Rr]ules? |"|\(|, | and | to |-)([OKSCBHM]\d)\b`)
	for name, text := range texts(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range cite.FindAllStringSubmatch(text, -1) {
			if !defined[m[1]] {
				t.Errorf("%s cites rule %s, which docs/protocol.md does not have", name, m[1])
			}
		}
	}
}

// TestReadmeFiles parses the files that README.md shows, as the daemon would.
func TestReadmeFiles(t *testing.T) {
	file := func(name string) []byte {
		m := regexp.MustCompile("(?s)`" + regexp.QuoteMeta(name) + "`[^\n]*\n+```\n(.*?)```").FindStringSubmatch(read(t, "README.md"))
		if m == nil {
			t.Fatalf("README.md shows no %s", name)
		}
		return []byte(m[1])
	}
	files := config.Files{HaCF: file("/etc/ha.d/ha.cf"), Haresources: file("/etc/ha.d/haresources"), Authkeys: file("/etc/ha.d/authkeys")}
	loaded, problems := config.Parse(files, config.Options{Node: "proxy01.example.org"})
	if loaded == nil {
		t.Fatalf("the files of README.md have errors: %v", problems)
	}
}
