# Everything that is done to this project, by name. `make help` lists it.

GO      ?= go
BIN     := bin/gosup
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.release=$(VERSION)
PREFIX  ?= /usr/local
SHARE    = $(DESTDIR)$(PREFIX)/share
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

export CGO_ENABLED := 0

SIM_TIME ?= 1m
SIM_SEED ?= 0

.PHONY: help build run test bench ci man install lint darwin fuzz sim soak mutants clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/gosup, static
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/gosup

run: build ## supervise the example; in another terminal: bin/gosup ctl -h
	$(BIN) run -c configs/example.yaml

test: ## run the tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...

bench: build ## measure gosup beside a floor and the peers that are installed; BENCH='-jobs restart,logs -rounds 9' for some
	$(GO) run ./scripts/bench -json bin/bench.json $(BENCH)

ci: lint test darwin fuzz ## all that a change must pass

lint:
	@out=$$(gofmt -l .); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

darwin:
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...

fuzz: ## a short run of each fuzz target
	scripts/fuzz.sh

sim: ## live through random worlds for SIM_TIME (1m); with SIM_SEED=N through that one
	$(GO) test ./sim -count=1 -run 'TestStorm$$' -v -timeout 0 -sim.time=$(SIM_TIME) -sim.seed=$(SIM_SEED)

soak: ## ten million lines through a hundred rotations with compression, and back
	$(GO) test ./cmd/gosup -count=1 -run 'TestSoak$$' -v -timeout 0 -soak.lines=10000000

mutants: ## plant faults in the code that decides: the tests have to find each
	$(GO) run ./scripts/mutants

man: ## write the manual pages to bin/man
	$(GO) test ./cmd/gosup -count=1 -run '^TestManPages$$' -man $(CURDIR)/bin/man

install: build man ## install into PREFIX (/usr/local), with manual and completions
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/gosup
	install -d $(SHARE)/man/man1 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install -m 0644 bin/man/*.1 $(SHARE)/man/man1
	$(BIN) completion bash > $(SHARE)/bash-completion/completions/gosup
	$(BIN) completion zsh > $(SHARE)/zsh/site-functions/_gosup
	$(BIN) completion fish > $(SHARE)/fish/vendor_completions.d/gosup.fish

clean: ## remove what was built
	rm -rf bin
