#!/usr/bin/env bash
# Runs each fuzz target for a number of inputs, or a time (FUZZTIME, default
# 8000x). A number, because go test may call it a failure when the time ends
# while an input runs: "context deadline exceeded".
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-8000x}
for file in $(git grep -l '^func Fuzz' -- '*_test.go'); do
  package=./$(dirname "$file")
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "fuzz $package $target for $time"
    go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x -parallel 2
  done
done
