package config

import (
	"bufio"
	"bytes"
	"os"
	"slices"
	"strings"

	"gosup/spec"
)

// accounts are the users and groups of the machine, as passwd(5) and group(5)
// have them. A static binary knows no other source: an account of LDAP and the
// like is named by its number, with its group.
type accounts struct {
	users    []spec.User // without their groups
	groups   []groupEntry
	userErr  error // why the users are not known
	groupErr error
}

type groupEntry struct {
	name    string
	gid     uint32
	members []string
}

func readAccounts() *accounts {
	a := &accounts{}
	var text []byte
	if text, a.userErr = os.ReadFile("/etc/passwd"); a.userErr == nil {
		a.users = parseUsers(text)
	}
	if text, a.groupErr = os.ReadFile("/etc/group"); a.groupErr == nil {
		a.groups = parseGroups(text)
	}
	return a
}

// parseUsers reads passwd(5): name:password:UID:GID:comment:home:shell.
func parseUsers(text []byte) (out []spec.User) {
	for _, f := range accountLines(text, 7) {
		uid, ok := accountNumber(f[2])
		gid, ok2 := accountNumber(f[3])
		if !ok || !ok2 {
			continue
		}
		u := spec.User{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]}
		if u.Shell == "" {
			u.Shell = "/bin/sh"
		}
		out = append(out, u)
	}
	return out
}

// parseGroups reads group(5): name:password:GID:members.
func parseGroups(text []byte) (out []groupEntry) {
	for _, f := range accountLines(text, 4) {
		if gid, ok := accountNumber(f[2]); ok {
			out = append(out, groupEntry{f[0], gid, strings.Split(f[3], ",")})
		}
	}
	return out
}

// accountLines returns the fields of the lines that have so many.
func accountLines(text []byte, fields int) (out [][]string) {
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		f := strings.Split(s.Text(), ":")
		if len(f) == fields && f[0] != "" && !strings.ContainsAny(f[0][:1], "#+-") {
			out = append(out, f)
		}
	}
	return out
}

// user returns the account of a name or number, without its groups. A number
// that none has is a user without a name.
func (a *accounts) user(text string) (spec.User, bool) {
	for _, u := range a.users {
		if u.Name == text {
			return u, true
		}
	}
	uid, ok := accountNumber(text)
	if !ok {
		return spec.User{}, false
	}
	for _, u := range a.users {
		if u.UID == uid {
			return u, true
		}
	}
	return spec.User{UID: uid}, true
}

// own returns the account that gosup runs as, with its groups.
func (a *accounts) own() spec.User {
	u := spec.User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	for _, v := range a.users {
		if v.UID == u.UID {
			u.Name, u.Home, u.Shell = v.Name, v.Home, v.Shell
			break
		}
	}
	groups, _ := os.Getgroups() // none, where they cannot be known
	for _, g := range groups {
		u.Groups = append(u.Groups, uint32(g))
	}
	return u
}

// group returns the number of a group of a name or number.
func (a *accounts) group(text string) (uint32, bool) {
	for _, g := range a.groups {
		if g.name == text {
			return g.gid, true
		}
	}
	return accountNumber(text)
}

// groupsOf returns the groups that a user with this main group is in, as
// initgroups(3) has them.
func (a *accounts) groupsOf(name string, gid uint32) []uint32 {
	out := []uint32{gid}
	for _, g := range a.groups {
		if name != "" && slices.Contains(g.members, name) && !slices.Contains(out, g.gid) {
			out = append(out, g.gid)
		}
	}
	return out
}

func (a *accounts) userNames() (out []string) {
	for _, u := range a.users {
		out = append(out, u.Name)
	}
	return out
}

func (a *accounts) groupNames() (out []string) {
	for _, g := range a.groups {
		out = append(out, g.name)
	}
	return out
}
