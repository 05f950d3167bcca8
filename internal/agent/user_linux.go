package agent

import (
	"fmt"
	"os/user"
	"strconv"
	"syscall"
)

// account is whom an agent runs as.
type account struct {
	credential *syscall.Credential
	env        []string // that go with it
}

// accountOf finds a user; none for an empty name, which is whoever we are.
func accountOf(name string) (account, *Problem) {
	if name == "" {
		return account{}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, &Problem{Words: fmt.Sprintf("there is no user %s here", name), Remedy: "add the user on both nodes, or correct 'user' in lubdub.conf"}
	}
	groups, err := u.GroupIds()
	if err != nil {
		return account{}, &Problem{Words: fmt.Sprintf("the groups of the user %s cannot be read: %v", name, err)}
	}
	c := &syscall.Credential{}
	for _, g := range groups {
		c.Groups = append(c.Groups, id(g))
	}
	c.Uid, c.Gid = id(u.Uid), id(u.Gid)
	return account{c, []string{"HOME=" + u.HomeDir, "LOGNAME=" + name, "USER=" + name}}, nil
}

// id reads a number of passwd or group. What is none is nobody's, and never root's.
func id(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nobody
	}
	return uint32(n)
}

// nobody is the number that no file belongs to.
const nobody = 65534
