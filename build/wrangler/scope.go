package wrangler

import "slices"

// scope is the part of the file that one environment has: the top level, or env.NAME.
type scope struct {
	*problems
	here node
	env  string // the environment's name; "" at the top level
	top  node   // the top level, if here is an environment
}

// field is a key of the scope, called by its bare name, as most of wrangler's sentences do.
func (s *scope) field(key string) node {
	n := s.here.key(key)
	n.name = key
	return n
}

// above is the same key at the top level; nothing there.
func (s *scope) above(key string) node {
	if s.env == "" {
		return node{}
	}
	return s.top.key(key)
}

// inheritance is where the value of a key comes from.
type inheritance int

const (
	inherited    inheritance = iota // an environment has the top level's, unless it has its own
	notInherited                    // each environment has its own
	topOnly                         // there is one for all
)

// key is what durago knows about a key of wrangler's.
type key struct {
	inheritance
	check func(s *scope, n node) // nil: durago does not support it
}

// keys are all that wrangler 4.164 has at the top level of its schema, but for env.
var keys = func() map[string]key {
	m := map[string]key{}
	add := func(from inheritance, check func(*scope, node), names ...string) {
		for _, n := range names {
			m[n] = key{from, check}
		}
	}
	of := func(kind string) func(*scope, node) {
		return func(s *scope, n node) { s.kind(n, kind) }
	}
	// What only the upload and the account are told is checked, and changes nothing here.
	add(inherited, of("string"), "main", "base_dir", "account_id")
	add(inherited, of("boolean"), "workers_dev", "preview_urls", "logpush", "upload_source_maps", "no_bundle", "find_additional_modules")
	add(inherited, checkName, "name")
	add(inherited, checkDate, "compatibility_date")
	add(inherited, func(s *scope, n node) { s.strings(n) }, "compatibility_flags")
	add(inherited, checkRoute, "route")
	add(inherited, checkRoutes, "routes")
	add(inherited, checkTriggers, "triggers")
	add(inherited, checkLimits, "limits")
	add(inherited, checkRules, "rules")
	add(inherited, checkBuild, "build")
	add(inherited, checkPlacement, "placement")
	add(inherited, checkAssets, "assets")
	add(inherited, checkObservability, "observability")
	add(inherited, checkMigrations, "migrations")
	add(inherited, checkExports, "exports")
	add(inherited, nil, "preserve_file_names", "tsconfig", "jsx_factory", "jsx_fragment", "minify", "keep_names", "first_party_worker",
		"logfwdr", "access", "cache", "compliance_region", "python_modules", "previews")

	add(notInherited, checkVars, "vars")
	add(notInherited, checkSecrets, "secrets")
	add(notInherited, checkDurableObjects, "durable_objects")
	add(notInherited, checkKVNamespaces, "kv_namespaces")
	add(notInherited, checkServices, "services")
	add(notInherited, nil, "define", "workflows", "cloudchamber", "containers", "send_email", "queues", "connect", "r2_buckets", "d1_databases",
		"vectorize", "ai_search", "ai_search_namespaces", "agent_memory", "hyperdrive", "analytics", "analytics_engine_datasets", "browser",
		"ai", "images", "media", "stream", "k2", "version_metadata", "unsafe", "mtls_certificates", "tail_consumers",
		"streaming_tail_consumers", "dispatch_namespaces", "pipelines", "secrets_store_secrets", "artifacts", "worker_loaders",
		"ratelimits", "vpc_services", "vpc_networks", "unsafe_hello_world", "flagship")

	add(topOnly, of("string"), "$schema")
	add(topOnly, of("boolean"), "send_metrics", "keep_vars")
	add(topOnly, checkDev, "dev")
	add(topOnly, nil, "site", "dependencies_instrumentation", "wasm_modules", "text_blobs", "data_blobs", "alias", "addresses",
		"pages_build_output_dir")
	return m
}()

// names are those of the keys that an environment may have, or the top level, sorted.
func names(top bool) []string {
	var list []string
	for name, k := range keys {
		if top || k.inheritance != topOnly {
			list = append(list, name)
		}
	}
	if top {
		list = append(list, "env")
	}
	slices.Sort(list)
	return list
}

// check looks at every key that the scope has, and at what an environment does not have.
func (s *scope) check() {
	for _, name := range s.keys(s.here) {
		k, ok := keys[name]
		at := join(s.here.at, name)
		switch {
		case name == "env" && s.env == "":
			if env := s.field(name); !env.isObject() {
				s.own(at, "want an object, got %s", s.show(env))
			}
		case name == "legacy_env" && s.env == "":
			s.wrong(at, `The "legacy_env" field is no longer supported, so please remove it from your configuration file.
				Service environments have been removed, and each environment is now deployed as its own Worker named "<name>-<environment>". This matches the behaviour of "legacy_env = true", which was the default, so removing the field will not change how your Worker is deployed.
				Refer to https://developers.cloudflare.com/workers/wrangler/environments/ for more information.`)
		case name == "node_compat":
			s.wrong(at, `Removed: "node_compat": The "node_compat" field is no longer supported as of Wrangler v4. Instead, use the `+"`nodejs_compat`"+` compatibility flag. This includes the functionality from legacy `+"`node_compat`"+` polyfills and natively implemented Node.js APIs. See https://developers.cloudflare.com/workers/runtime-apis/nodejs for more information.`)
		case !ok:
			s.own(at, "unknown key%s", suggestion(name, names(s.env == "")))
		case k.inheritance == topOnly && s.env != "":
			s.own(at, "wrangler reads this key at the top level only: move it there")
		case k.check == nil:
			s.unsupported(s.here, name)
		default:
			k.check(s, s.field(name))
		}
	}
	if s.env == "" {
		return
	}
	if !s.here.key("routes").set {
		warnOfDomains(s)
	}
	for _, name := range s.keys(s.top) {
		if keys[name].inheritance == notInherited && !s.here.key(name).set {
			s.warn(s.here.at, "%q exists at the top level, but not on \"env.%s\". This is not what you probably want, since %[1]q is not inherited by environments. Please add %[1]q to \"env.%[2]s\".", name, s.env)
		}
	}
}
