package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Find returns the path of the configuration file that gosup uses: the one
// asked for, $GOSUP_CONFIG, ./gosup.yaml, ./gosup.yml,
// $XDG_CONFIG_HOME/gosup/gosup.yaml (in ~/.config where that is not set) or
// /etc/gosup/gosup.yaml. The first two are taken as they are, there or not;
// Load says what is wrong with them. It returns false where there is none,
// and an error where it cannot be told.
func Find(explicit string) (path string, ok bool, err error) {
	if explicit != "" {
		return explicit, true, nil
	}
	if path := os.Getenv("GOSUP_CONFIG"); path != "" {
		return path, true, nil
	}
	for _, path := range standardPaths() {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return path, true, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", false, fmt.Errorf("look for a configuration: %w", err)
		case errors.Is(err, fs.ErrPermission):
			// A folder that is closed to this user is no place for its files.
		}
	}
	return "", false, nil
}

// standardPaths returns where a file is looked for, in this order.
func standardPaths() []string {
	paths := []string{"gosup.yaml", "gosup.yml"}
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		paths = append(paths, filepath.Join(dir, "gosup", "gosup.yaml"))
	} else if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		paths = append(paths, filepath.Join(home, ".config", "gosup", "gosup.yaml"))
	}
	return append(paths, "/etc/gosup/gosup.yaml")
}
