package agent

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"lubdub/internal/cluster"
)

// cause is one reason why a service does not run. Each has its section in docs/my-service-does-not-start.md.
type cause struct {
	name string // of its section
	sign *regexp.Regexp
	// words make the sentence, from what the sign found; nil: it is not this.
	words func(e *evidence, m []string) *Problem
}

// causes are the reasons that are known, those that say most first. Where a line of the agent fits two of them, the first
// counts.
func causes() []cause {
	return slices.Concat(plainCauses(), causesInSystem(), causesInFiles())
}

// plainCauses are certain, whatever the kernel denied besides: much is denied to services that run all the same.
func plainCauses() []cause { return slices.Concat(causesInConfig(), causesInPlace()) }

// causesInPlace are about where it listens.
func causesInPlace() []cause {
	return []cause{
		{"The port is taken", regexp.MustCompile(`(?i)[^\n]*(?:address already in use|EADDRINUSE)[^\n]*`), portTaken},
		{"The address is not there yet", regexp.MustCompile(`(?i)[^\n]*(?:cannot assign requested address|EADDRNOTAVAIL)[^\n]*`), addressMissing},
	}
}

// causesInConfig are what somebody wrote wrong.
func causesInConfig() []cause {
	return []cause{
		{"A module is missing", regexp.MustCompile(`(?:on line (\d+) of ([^:\n]+): )?Cannot load (\S+) into server: [^\n]*?cannot open shared object file: No such`), moduleMissing},
		{"A module is missing", regexp.MustCompile(`on line (\d+) of ([^:\n]+):\s*Invalid command '(\w+)'`), moduleNotLoaded},
		{"A module is missing", regexp.MustCompile(`()()dlopen\(\) "([^"]+)" failed`), moduleMissing},
		{"A module is missing", regexp.MustCompile(`()()error while loading shared libraries: ([^:\s]+): cannot open`), moduleMissing},
		{"Its certificate or key is wrong", regexp.MustCompile(`SSL\w+File: file '([^']+)' does not exist or is empty`), certificateMissing},
		{"Its certificate or key is wrong", regexp.MustCompile(`cannot load certificate(?: key)? "([^"]+)"[^\n]*No such file`), certificateMissing},
		{"Its certificate or key is wrong", regexp.MustCompile(`Certificate and private key \S+ from (\S+) and (\S+) do not match`), certificateWrong},
		{"Its certificate or key is wrong", regexp.MustCompile(`Failed to configure (?:certificate|private key)[^\n]*check (\S+)()`), certificateWrong},
		{"Its DocumentRoot is missing", regexp.MustCompile(`DocumentRoot '([^']+)' is not a directory`), documentsMissing},
		{"Its DocumentRoot is missing", regexp.MustCompile(`DocumentRoot \[([^\]]+)\] does not exist`), documentsMissing},
		{"Its DocumentRoot is missing", regexp.MustCompile(`answers 40[34]()`), documentsGone},
		{"Its configuration is wrong", regexp.MustCompile(`Syntax error on line (\d+) of ([^:\n]+):\s*([^\n]+)`), syntaxError(2, 1, 3)},
		{"Its configuration is wrong", regexp.MustCompile(`\[emerg\] (?:\S+: )?([^\n]+?) in (/\S+?):(\d+)`), syntaxError(2, 3, 1)},
		{"Its configuration is wrong", regexp.MustCompile(`parsing \[(/[^:\]\n]+):(\d+)\]\s*:\s*([^\n]+)`), syntaxError(1, 2, 3)},
		{"Its configuration is wrong", regexp.MustCompile(`Bungled (/\S+) line (\d+):\s*([^\n]+)`), syntaxError(1, 2, 3)},
		{"Its configuration is wrong", regexp.MustCompile(`(syntax error|unrecognized configuration parameter[^\n]*?|invalid line) in (?:file )?"([^"\n]+)" (?:at )?line (\d+)`), syntaxError(2, 3, 1)},
		{"Its configuration is wrong", regexp.MustCompile(`(?:^|\n)(?:\S+: )?(/[^:\s]+\.conf\S*):(\d+): ([^\n]+)`), syntaxError(1, 2, 3)},
		{"A user is missing", regexp.MustCompile(`bad (?:user|group) name (\S+)|getpwnam\("([^"]+)"\) failed`), userMissing},
	}
}

// causesInSystem are what stands in its way on this machine.
func causesInSystem() []cause {
	return []cause{
		{"Only root may use that port", regexp.MustCompile(`(?i)[^\n]*(?:permission denied[^\n]*bind|bind[^\n]*permission denied)[^\n]*`), lowPort},
		{"System V semaphores are used up", regexp.MustCompile(`(?i)No space left on device[^\n]*(?:mutex|semaphore)`), semaphores},
		{"The disk is full", regexp.MustCompile(`(?i)([^\n]*)(?:no space left on device|disk quota exceeded|ENOSPC)([^\n]*)`), diskFull},
		{"Out of file descriptors", regexp.MustCompile(`(?i)too many open files( in system)?`), descriptors},
		{"Memory ran out", regexp.MustCompile(`oom-kill|status 137\b|[Cc]annot allocate memory|\(12\)Cannot allocate`), memory},
		{"It was started already", regexp.MustCompile(`(?i)([^\n]*(?:already running|another (?:server|instance|postmaster)[^\n]*running)[^\n]*)`), startedAlready},
	}
}

// causesInFiles are what is not where it should be, or not as it should be.
func causesInFiles() []cause {
	const path = `(/[^\s'":;,)\]]+)`
	return []cause{
		{"Its owner or mode is wrong", regexp.MustCompile(`(?:data directory|file) "(/[^"]+)" has (?:wrong ownership|invalid permissions|group or world access)`), ownerWrong},
		{"Its owner or mode is wrong", regexp.MustCompile(`(?i)permission denied[^\n]*?` + path), ownerWrong},
		{"Its owner or mode is wrong", regexp.MustCompile(path + `[^\n/]*?(?i:permission denied)`), ownerWrong},
		{"Its program is missing", regexp.MustCompile(`HTTPD (\S+) not found or is not an executable|couldn't find command:? (\S+)|(?:^|[\n:] ?)([\w./-]+): (?:command )?not found|status[ =](203)\b`), programMissing},
		{"Its program is missing", regexp.MustCompile(`apache (httpd) program not found`), programMissing},
		{"A file or directory is missing", regexp.MustCompile(`Configuration file (\S+?) not found`), fileMissing},
		{"A file or directory is missing", regexp.MustCompile(`No such file or directory[^\n]*?` + path), fileMissing},
		{"A file or directory is missing", regexp.MustCompile(path + `[^\n/]*?No such file or directory`), fileMissing},
	}
}

// The causes that no line names.
const (
	causeTime    = "Its time was over"
	causeNothing = "It says that it is started, and does not run"
	causeBoot    = "It is started at boot"
)

// cause finds the reason. What the kernel forbade or ended comes before what a service that was hindered says of files.
func (e *evidence) cause() *Problem {
	text := strings.Join(e.all(), "\n")
	if p := e.find(plainCauses(), text); p != nil {
		return p
	}
	if p := e.find(kernelCauses(), strings.Join(e.kernel, "\n")); p != nil {
		return p
	}
	return e.find(causes(), text)
}

// maxMatches bounds how often one sign is looked for in a text.
const maxMatches = 8

// find finds the first of some causes whose sign is in a text and means it.
func (e *evidence) find(all []cause, text string) *Problem {
	for _, c := range all {
		for _, m := range c.sign.FindAllStringSubmatch(text, maxMatches) {
			if p := c.words(e, m); p != nil {
				return p
			}
		}
	}
	return nil
}

// late is what is added to the words of an action that just took too long: what it did until then.
func (e *evidence) late(out cluster.Outcome) string {
	if out.Result != cluster.TimedOut || out.Words != e.out.Words || e.doing == "" {
		return ""
	}
	word := "timeout " + e.q.Resource.Name + " " + string(e.q.Action)
	if e.q.Action == cluster.Monitor {
		word = "monitor " + e.q.Resource.Name + " timeout"
	}
	return fmt.Sprintf("; it was busy with %s: see what that waits for; if it needs longer, write '%s=%s' in lubdub.conf", e.doing, word, 2*e.q.Timeout)
}

// sameLine is what stands of a match, short enough for a sentence.
func sameLine(text string) string {
	return shorten(strings.TrimRight(strings.TrimSpace(withoutLevel(clean(text))), ".:"), maxLine)
}

// syntaxError makes the sentence for a configuration that cannot be read, with the numbers of what the sign found.
func syntaxError(file, line, what int) func(*evidence, []string) *Problem {
	return func(_ *evidence, m []string) *Problem {
		if strings.Contains(m[what], "ermission denied") {
			return nil // the line is right, and something else keeps it out
		}
		return &Problem{fmt.Sprintf("its configuration is wrong in %s, line %s (%s)", m[file], m[line], sameLine(m[what])), "mend that line"}
	}
}

// modules are the modules of httpd that a directive belongs to, for those that are missed most often.
func modules(directive string) string {
	for prefix, module := range map[string]string{"ProxyHTML": "proxy_html", "Proxy": "proxy", "SSL": "ssl", "Rewrite": "rewrite", "Header": "headers",
		"RequestHeader": "headers", "Balancer": "proxy_balancer", "php_": "php", "Expires": "expires", "Dav": "dav", "WSGI": "wsgi", "RemoteIP": "remoteip", "CustomLog": "log_config"} {
		if strings.HasPrefix(directive, prefix) && (prefix != "Proxy" || strings.HasPrefix(directive, "ProxyPass") && known(directive)) {
			return module
		}
	}
	return ""
}

// known tells the directives of mod_proxy from what somebody mistyped.
func known(directive string) bool {
	return slices.Contains([]string{"ProxyPass", "ProxyPassReverse", "ProxyPassMatch", "ProxyPassReverseCookieDomain", "ProxyPassReverseCookiePath"}, directive)
}

func moduleNotLoaded(_ *evidence, m []string) *Problem {
	module := modules(m[3])
	if module == "" {
		return nil
	}
	return &Problem{fmt.Sprintf("%s in %s, line %s, belongs to mod_%s, which is not loaded", m[3], m[2], m[1], module),
		fmt.Sprintf("load it (Debian: a2enmod %s; elsewhere a LoadModule line)", module)}
}

func moduleMissing(_ *evidence, m []string) *Problem {
	words := fmt.Sprintf("%s is not there", m[3])
	if m[2] != "" {
		words = fmt.Sprintf("the module %s of %s, line %s, is not there", m[3], m[2], m[1])
	}
	return &Problem{words, "install its package, as on the other node, or take it out of the configuration"}
}

func certificateMissing(_ *evidence, m []string) *Problem {
	if info, err := os.Stat(m[1]); err == nil && info.Size() > 0 {
		return nil // it may not be read
	}
	return &Problem{fmt.Sprintf("its certificate or key %s is not there or empty", m[1]), "copy it from the other node, or correct its path"}
}

func certificateWrong(_ *evidence, m []string) *Problem {
	if m[2] == "" {
		return &Problem{fmt.Sprintf("its certificate or key %s cannot be used", m[1]), "look at it with: openssl x509 -noout -text -in " + m[1]}
	}
	return &Problem{fmt.Sprintf("its key %s does not belong to its certificate %s", m[2], m[1]), "copy both from where they belong together"}
}

func documentsMissing(e *evidence, m []string) *Problem {
	if isThere(m[1]) {
		return nil // it may not be read
	}
	return &Problem{fmt.Sprintf("its DocumentRoot %s is not there", m[1]), "make it; if it lies on a file system of the group, that must stand before " + e.q.Resource.Name + " in haresources"}
}

// documentsGone explains a page that is not found.
func documentsGone(e *evidence, m []string) *Problem {
	if e.httpd.documents == "" || isThere(e.httpd.documents) {
		return nil
	}
	p := documentsMissing(e, []string{"", e.httpd.documents})
	p.Words = sameLine(e.out.Words) + ", for " + p.Words
	return p
}

func userMissing(_ *evidence, m []string) *Problem {
	return &Problem{fmt.Sprintf("it shall run as %s, and there is no such user or group", sameLine(cmp.Or(m[1], m[2]))), "add it as on the other node, or correct its configuration"}
}

func semaphores(*evidence, []string) *Problem {
	return &Problem{"System V semaphores are used up (the disk is not full)", "see them with ipcs -s, remove those of services that are gone with ipcrm -s ID, or raise kernel.sem"}
}

func descriptors(e *evidence, m []string) *Problem {
	if m[1] != "" {
		return &Problem{"the machine is out of open files", "see who holds them with lsof, or raise fs.file-max"}
	}
	return &Problem{"it is out of file descriptors", "raise its limit (LimitNOFILE= of its unit, ulimit -n in its script), or let it open fewer files"}
}

func memory(*evidence, []string) *Problem {
	return &Problem{"memory ran out", "see who takes it with ps --sort=-rss aux and in the kernel's log; give the machine or its unit (MemoryMax=) more"}
}

func startedAlready(e *evidence, m []string) *Problem {
	if e.out.Result == cluster.NotRunning || strings.Contains(strings.ToLower(m[1]), "not ") {
		return nil
	}
	return &Problem{"it says that it runs already: " + sameLine(m[1]), "stop it on both nodes and see that nothing but lubdub starts it"}
}
