# What people do with this repository. `make dev` needs Go alone; `make test` brings up what it needs itself.

RUNS     ?= 5
# Executions, not seconds: at the end of a time Go's fuzzer sometimes fails with its own deadline.
FUZZTIME ?= 20000x
# Two packages at a time: the servers beside them need the rest of a small machine.
PARALLEL ?= 2
SERVERS  := go run ./internal/testenv/run --

# Faults by number or name, with commas between, and how many seeds of each.
FAULTS   ?= all
SEEDS    ?= 1

.PHONY: help dev build test test-embedded web-test e2e lint fuzz bench overload faults mutations check vuln sbom

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

dev: ## all roles on embedded servers with the demo campaign; Ctrl-C ends it
	@go build -o bin/shake ./cmd/shake && exec bin/shake dev $(ARGS)

build: ## bin/shake, one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/shake ./cmd/shake

test: lint ## everything, with the race detector, on real Redis, Redis Cluster, MariaDB and Kafka
	$(SERVERS) go test -race -timeout 14m -p $(PARALLEL) ./...

test-embedded: ## what can be tested with Go alone
	SHAKE_TEST=embedded go test ./...

web-test: ## the page's and the SDK's own tests, with node
	node --test web/test/*_test.mjs

e2e: ## the page in Chromium against `shake dev`; writes docs/images and prints weight, times and frames
	SHAKE_E2E=1 go test -count=1 -timeout 10m -v ./test/e2e

lint: ## gofmt and go vet
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	go vet ./...

fuzz: ## each fuzz target FUZZTIME (20000x) times
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | while IFS=: read -r file func; do \
		go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname "$$file")" || exit 1; \
	done

bench: ## speed of the round path against the base, RUNS (5) interleaved runs; writes .run/bench.json
	RUNS=$(RUNS) go run ./test/bench

overload: ## what happens at up to 3 times the load that can be served, with and without limits
	taskset -c 1 go run ./test/bench overload cpu
	go run ./test/bench overload store

faults: ## what goes wrong on a night, one fault after the other: FAULTS (all), SEEDS (1); writes .run/faults.json
	SHAKE_FAULTS=$(FAULTS) SHAKE_SEEDS=$(SEEDS) go test -count=1 -timeout 0 -v ./test/faults

# Left out of gosec, with why: G404 randomness that spreads retries (secrets come from crypto/rand), G115 numbers that are
# bounded where they come in, G202 SQL whose text is ours and whose values are arguments, G602 indexes behind a length check.
check: ## staticcheck and gosec, at zero; exceptions stand in the code with their reasons
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go run github.com/securego/gosec/v2/cmd/gosec@v2.22.10 -quiet -exclude=G404,G115,G202,G602 -exclude-dir=test -exclude-dir=internal/testenv ./...

vuln: ## known vulnerabilities of what we use and call; needs vuln.go.dev
	go run golang.org/x/vuln/cmd/govulncheck@v1.1.4 ./...

sbom: build ## bin/shake.cdx.json, what is in the program, as CycloneDX
	go run ./internal/sbom bin/shake > bin/shake.cdx.json

mutations: ## breaks the program in nine ways, each of which a fault or a test must notice
	go run ./test/faults/mutate
