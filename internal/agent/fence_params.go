package agent

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxSecret bounds a line that is read from a file: a password, or a token.
	maxSecret = 4 << 10
	// shortSecret is the shortest value that is taken out of what an agent said: a
	// shorter one is no secret, and would tear words apart.
	shortSecret = 4
)

// params are the parameters with their files read, and the values that nobody
// else may see.
func (d FenceDevice) params() (params, secrets []string, err error) {
	for _, p := range d.Params {
		name, value, _ := strings.Cut(p, "=")
		if strings.HasPrefix(value, "@/") {
			if value, err = secretIn(value[1:]); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			secrets = append(secrets, value)
		} else if slices.Contains(d.Hidden, name) {
			secrets = append(secrets, value)
		}
		params = append(params, name+"="+value)
	}
	return params, secrets, nil
}

// secretIn is the first line of a file that only root, or the user that we are, may read.
func secretIn(path string) (string, error) {
	if wrong := checkPath(path); wrong != nil {
		return "", fmt.Errorf("%s", wrong)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a plain file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s can be read by others (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxSecret)
	if !lines.Scan() || lines.Text() == "" {
		return "", fmt.Errorf("%s has no first line, or one of more than %d bytes", path, maxSecret)
	}
	return lines.Text(), nil
}

// redact takes secrets out of what an agent said.
func redact(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= shortSecret {
			text = strings.ReplaceAll(text, s, "****")
		}
	}
	return text
}
