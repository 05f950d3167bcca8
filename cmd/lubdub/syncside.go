package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"lubdub/internal/config"
)

// syncForm is the version of what the two lubdubs say to each other.
const syncForm = 1

// syncHello begins a request and an answer; what a login script prints may stand before it.
var syncHello = fmt.Appendf(nil, "lubdub-sync %d\n", syncForm)

// The limits of a conversation.
const (
	maxHello  = 64 << 10  // what may stand before the answer
	maxAnswer = 512 << 20 // eight trees of the most names that are allowed have less
)

// syncVerb is what the lubdub on a node is asked to do.
type syncVerb string

const (
	syncList    syncVerb = "list"    // say what there is
	syncStage   syncVerb = "stage"   // make a directory for what comes, beside the configuration
	syncApply   syncVerb = "apply"   // check what came, and put it in its place
	syncDiscard syncVerb = "discard" // forget it
	syncRoom    syncVerb = "room"    // make room for what comes into a tree
	syncRemove  syncVerb = "remove"  // remove what is no longer in a tree
)

// syncRequest is one question.
type syncRequest struct {
	Verb    syncVerb
	Nonce   []byte            // list, apply: goes into each sum, so that a sum of authkeys says nothing about the keys
	Trees   bool              // list: what is watched, too
	Watches []config.Watch    // list: this and not what its own lubdub.conf watches; room, remove: the tree
	Known   map[string]string // list: digests by path; what has the same one is not listed
	Staging string            // apply, discard
	Before  map[string]string // apply: the sum of what is replaced, by name
	After   map[string]string // apply: the sum of what came
	Names   []string          // room, remove: below the tree's root, what is deeper first
}

// syncAnswer is what is answered.
type syncAnswer struct {
	Refused  string // why it was not done
	Version  string
	Node     string
	Dir      string
	Rsync    bool // there is one
	Settings map[string]settingsFile
	Watches  []config.Watch // of its own lubdub.conf
	Trees    []listing      // of the request's, or its own
	Staging  string
	Root     string   // room: the tree's directory, symlinks resolved
	Words    []string // what an operator should read
}

// settingsFile is a file of the configuration on a node.
type settingsFile struct {
	There    bool
	Text     []byte // not of authkeys
	Sum      string
	Mode     fs.FileMode
	Owner    string
	Modified time.Time
}

// listing is a watched file or tree on a node.
type listing struct {
	Path    string
	Real    string // symlinks of the root resolved
	Sum     string
	Count   int
	Entries []config.Entry
	Trouble string
	Wrong   string // why it cannot be compared
}

// syncSide is a node that can be asked.
type syncSide interface {
	ask(ctx context.Context, q syncRequest) (syncAnswer, error)
}

// thisNode answers itself.
type thisNode struct {
	world
	dir, node string
}

func (n thisNode) ask(ctx context.Context, q syncRequest) (syncAnswer, error) {
	a := n.answer(ctx, q)
	if a.Refused != "" {
		return a, errors.New(a.Refused)
	}
	return a, nil
}

func syncAnswerCommand(w world) *cobra.Command {
	n := thisNode{world: w}
	c := &cobra.Command{
		Use: "answer", Hidden: true, Short: "Answer the other node's lubdub sync", Args: cobra.NoArgs,
		Long: "Answer is what lubdub sync on the other node runs here, through its peer-command. It takes one question on its input.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var q syncRequest
			if err := readSync(w.Stdin, &q); err != nil {
				return fmt.Errorf("read the question: %w", err)
			}
			return writeSync(w.Stdout, n.answer(cmd.Context(), q))
		},
	}
	c.Flags().StringVarP(&n.dir, "dir", "d", w.ConfigDir, "where ha.cf, haresources and authkeys are")
	c.Flags().StringVar(&n.node, "node", "", "this node's name")
	return c
}

func writeSync(out io.Writer, v any) error {
	if _, err := out.Write(syncHello); err != nil {
		return err
	}
	return gob.NewEncoder(out).Encode(v)
}

// errNoHello says that what was read is not of a lubdub that understands us.
var errNoHello = errors.New("this is not lubdub of the same version")

// readSync reads what follows the hello.
func readSync(in io.Reader, into any) error {
	var before []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(before, syncHello) {
		if _, err := io.ReadFull(in, one); err != nil || len(before) >= maxHello {
			return errNoHello
		}
		before = append(before, one[0])
	}
	return gob.NewDecoder(io.LimitReader(in, maxAnswer)).Decode(into)
}
