// Mutants plants single faults in the code that decides, one at a time, in a
// copy of the module, and runs the tests: each fault has to be found. It prints
// what was found by which package and exits with 1 if a fault survives.
//
//	go run ./scripts/mutants [-only WORDS] [-list]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tested are the packages whose tests have to find the faults, the quickest
// first; with spec they are all that the copy holds.
var tested = []string{"./policy", "./tree", "./sim"}

// patience is how long the tests of one package may take: a fault may make
// them go on for ever.
const patience = 90 * time.Second

func main() {
	only := flag.String("only", "", "plant only faults whose name holds these `words`")
	list := flag.Bool("list", false, "list the faults and plant none")
	flag.Parse()
	if *list {
		for _, f := range faults {
			fmt.Printf("%-22s %s\n", f.file, f.name)
		}
		return
	}
	survived, err := run(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
	if survived > 0 {
		fmt.Fprintf(os.Stderr, "mutants: %d faults were not found\n", survived)
		os.Exit(1)
	}
}

func run(only string) (survived int, err error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for _, part := range []string{"policy", "spec", "tree", "sim", "journal"} {
		if _, err := os.Stat(part); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(part)); err != nil {
			return 0, fmt.Errorf("copy %s: %w", part, err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o644); err != nil {
			return 0, err
		}
	}
	if by, out := findBy(dir); by != "" {
		return 0, fmt.Errorf("%s fails without a fault:\n%s", by, out)
	}
	planted := 0
	for _, f := range faults {
		if !strings.Contains(f.name, only) {
			continue
		}
		planted++
		by, err := plant(dir, f)
		if err != nil {
			return survived, err
		}
		if by == "" {
			survived++
			by = "SURVIVED"
		}
		fmt.Printf("%-9s %-18s %s\n", strings.TrimPrefix(by, "./"), f.file, f.name)
	}
	fmt.Printf("%d faults planted, %d found\n", planted, planted-survived)
	return survived, nil
}

// plant runs the tests with one fault and returns the package that found it;
// "" for none.
func plant(dir string, f fault) (string, error) {
	path := filepath.Join(dir, f.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	faulty, err := f.apply(string(sound))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(faulty), 0o644); err != nil {
		return "", err
	}
	defer os.WriteFile(path, sound, 0o644)
	by, out := findBy(dir)
	if strings.Contains(out, "[build failed]") {
		return "", fmt.Errorf("%q does not compile:\n%s", f.name, out)
	}
	return by, nil
}

// apply returns text with the fault in it.
func (f fault) apply(text string) (string, error) {
	if n := strings.Count(text, f.old); n != 1 {
		return "", fmt.Errorf("%q: %s holds its place %d times, not once", f.name, f.file, n)
	}
	return strings.Replace(text, f.old, f.new, 1), nil
}

// findBy returns the first package whose tests fail, and what they say.
func findBy(dir string) (string, string) {
	for _, pkg := range tested {
		ctx, done := context.WithTimeout(context.Background(), patience)
		// The diagram in the docs would find faults by chance, and is not there.
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-failfast", "-vet=off", "-skip=StateDiagram", pkg)
		cmd.Dir = dir
		// What the go command has started ends with it.
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		done()
		if err != nil {
			return pkg, string(out)
		}
	}
	return "", ""
}
