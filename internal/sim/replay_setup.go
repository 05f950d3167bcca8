package sim

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"lubdub/internal/cluster"
)

// keys are the lines of a cluster. They are made from the fields of Setup, so a
// new field is in the text without a word here; one of another type is a panic.
func (s Setup) keys() []string {
	var lines []string
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		f, name := v.Field(i), strings.ToLower(v.Type().Field(i).Name)
		switch x := f.Interface().(type) {
		case []cluster.Group:
			for _, g := range x {
				lines = append(lines, groupText(g))
			}
			continue
		case time.Duration:
			if x != 0 {
				lines = append(lines, name+" "+millis(x))
			}
			continue
		}
		switch {
		case f.IsZero():
		case f.Kind() == reflect.Bool:
			lines = append(lines, name)
		case f.CanInt(), f.CanUint(), f.CanFloat(), f.Kind() == reflect.String:
			lines = append(lines, fmt.Sprintf("%s %v", name, f.Interface()))
		default:
			panic(fmt.Sprintf("sim: %s of a cluster cannot be written: %v", name, f.Type()))
		}
	}
	return lines
}

// parse reads one of these lines.
func (s *Setup) parse(words []string) error {
	if words[0] == "group" {
		g, err := parseGroup(words[1:])
		s.Groups = append(s.Groups, g)
		return err
	}
	v := reflect.ValueOf(s).Elem()
	f := v.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, words[0]) })
	if !f.IsValid() || len(words) > 2 {
		return fmt.Errorf("%s: nothing of a night is called that", strings.Join(words, " "))
	}
	if f.Kind() == reflect.Bool && len(words) == 1 {
		f.SetBool(true)
		return nil
	}
	if len(words) == 1 {
		return fmt.Errorf("%s: a value is missing", words[0])
	}
	if err := setField(f, words[1]); err != nil {
		return fmt.Errorf("%s %s: %w", words[0], words[1], err)
	}
	return nil
}

func setField(f reflect.Value, text string) error {
	if _, is := f.Interface().(time.Duration); is {
		d, err := parseMillis(text)
		f.SetInt(int64(d))
		return err
	}
	switch {
	case f.CanInt():
		i, err := strconv.ParseInt(text, 10, 64)
		f.SetInt(i)
		return err
	case f.CanUint():
		i, err := strconv.ParseUint(text, 10, 64)
		f.SetUint(i)
		return err
	case f.CanFloat():
		x, err := strconv.ParseFloat(text, 64)
		f.SetFloat(x)
		return err
	case f.Kind() == reflect.String:
		f.SetString(text)
		return nil
	}
	return fmt.Errorf("it takes no value")
}

// groupText is group NAME PREFERRED and the resources: ip0=192.0.2.100/24 is an
// address, proxy* runs on both nodes, anything else in one place.
func groupText(g cluster.Group) string {
	text := "group " + g.Name + " " + g.Preferred
	for _, r := range g.Resources {
		text += " " + r.Name
		switch {
		case isAddress(r):
			text += "=" + r.Addresses[0].String()
		case r.Warm:
			text += "*"
		}
	}
	return text
}

func parseGroup(words []string) (cluster.Group, error) {
	if len(words) < 3 {
		return cluster.Group{}, fmt.Errorf("group: want a name, the preferred node, and resources")
	}
	g := group(words[0], words[1])
	for _, w := range words[2:] {
		name, text, addressed := strings.Cut(w, "=")
		warm, isWarm := strings.CutSuffix(w, "*")
		switch {
		case addressed:
			p, err := netip.ParsePrefix(text)
			if err != nil || !p.Addr().Is4() {
				return g, fmt.Errorf("group %s: %s is no IPv4 address with its prefix", g.Name, text)
			}
			g.Resources = append(g.Resources, address(name, p.Addr().As4()[3]))
		case isWarm:
			g.Resources = append(g.Resources, proxy(warm))
		default:
			g.Resources = append(g.Resources, agent(w))
		}
	}
	return g, nil
}
