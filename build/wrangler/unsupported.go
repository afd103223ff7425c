package wrangler

import (
	"regexp"
	"strings"
)

// unsupported are keys that wrangler has and durago does not run yet, without the indices of lists. They are refused
// by name, so that nobody takes a worker without them for the whole one.
var unsupported = func() map[string]bool {
	m := map[string]bool{}
	for _, k := range strings.Fields(`
		access addresses agent_memory ai ai_search ai_search_namespaces alias analytics analytics_engine_datasets artifacts
		assets browser cache cloudchamber compliance_region connect containers d1_databases data_blobs define
		dependencies_instrumentation dispatch_namespaces env exports first_party_worker flagship hyperdrive images
		jsx_factory jsx_fragment k2 keep_names keep_vars logfwdr logpush media minify mtls_certificates
		pages_build_output_dir pipelines preserve_file_names previews python_modules queues r2_buckets ratelimits route
		routes secrets secrets_store_secrets send_email services.environment services.remote site stream streaming_tail_consumers tail_consumers
		text_blobs tsconfig unsafe unsafe_hello_world upload_source_maps vectorize version_metadata vpc_networks
		vpc_services wasm_modules worker_loaders workflows
		dev.host dev.inspector_port dev.local_protocol dev.upstream_protocol
		durable_objects.bindings.environment durable_objects.code_update_strategy
		kv_namespaces.remote limits.subrequests migrations.transferred_classes triggers.events`) {
		m[k] = true
	}
	return m
}()

var index = regexp.MustCompile(`\[\d+\]`)

func isUnsupported(path string) bool { return unsupported[index.ReplaceAllString(path, "")] }
