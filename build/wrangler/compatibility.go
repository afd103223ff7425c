package wrangler

import (
	"fmt"
	"slices"
)

// A compatibility flag changes the platform from a date on, or where it is named; its opposite keeps what was before. See
// https://developers.cloudflare.com/workers/configuration/compatibility-flags/.
type flag struct {
	on, off string // off is "" if there is no way back
	since   string // "" if it is on only where it is named
	host    hosted
}

// hosted is how durago's host behaves, whatever the configuration says.
type hosted int

const (
	ignores hosted = iota // a Go worker does not see the flag, or only on Cloudflare
	always                // as with the flag
	honours               // as the configuration says
)

// flags are those that a Durable Object, or a worker before it, can see. Sockets of objects hibernate, so that they never
// reply to a close by themselves.
var flags = []flag{
	{"durable_object_fetch_requires_full_url", "durable_object_fetch_allows_relative_url", "2021-11-10", ignores},
	{"capture_async_api_throws", "do_not_capture_async_api_throws", "2022-10-31", ignores},
	{"streams_enable_constructors", "streams_disable_constructors", "2022-11-30", ignores},
	{"web_socket_compression", "no_web_socket_compression", "2023-08-15", ignores},
	{"queues_json_messages", "no_queues_json_messages", "2024-03-18", ignores},
	{"fetcher_no_get_put_delete", "fetcher_has_get_put_delete", "2024-03-26", always},
	{"rpc", "no_rpc", "2024-04-03", always},
	{"set_tostring_tag", "do_not_set_tostring_tag", "2024-09-26", ignores},
	{"handle_cross_request_promise_resolution", "no_handle_cross_request_promise_resolution", "2024-10-14", always},
	{"unique_ctx_per_invocation", "", "2025-03-10", ignores},
	{"assets_navigation_prefers_asset_serving", "assets_navigation_has_no_effect", "2025-04-01", honours},
	{"allow_eval_during_startup", "disallow_eval_during_startup", "2025-06-01", ignores},
	{"enable_ctx_exports", "disable_ctx_exports", "2025-11-17", ignores},
	{"rpc_params_dup_stubs", "rpc_params_transfer_stubs", "2026-01-20", ignores},
	{"delete_all_deletes_alarm", "delete_all_preserves_alarm", "2026-02-24", always},
	{"unhandled_rejection_after_microtask_checkpoint", "no_unhandled_rejection_after_microtask_checkpoint", "2026-03-03", ignores},
	{"websocket_close_reason_byte_limit", "no_websocket_close_reason_byte_limit", "2026-03-03", always},
	{"websocket_standard_binary_type", "no_websocket_standard_binary_type", "2026-03-17", ignores},
	{"web_socket_auto_reply_to_close", "web_socket_manual_reply_to_close", "2026-04-07", ignores},
	{"enhanced_error_serialization", "legacy_error_serialization", "2026-04-21", always},
	{"nodejs_compat", "no_nodejs_compat", "2026-08-04", ignores},
	{"durable_object_io_tasks_prevent_eviction", "durable_object_io_tasks_do_not_prevent_eviction", "2026-10-01", always},
	{"enable_request_signal", "disable_request_signal", "2026-11-17", always},
}

// Enabled tells whether a compatibility flag is on, by name or by date. A flag that durago does not know is on if it is
// named.
func (c *Config) Enabled(name string) bool {
	for _, f := range flags {
		if f.on == name {
			return f.enabled(c)
		}
	}
	return slices.Contains(c.CompatibilityFlags, name)
}

func (f flag) enabled(c *Config) bool {
	switch {
	case slices.Contains(c.CompatibilityFlags, f.on):
		return true
	case f.off != "" && slices.Contains(c.CompatibilityFlags, f.off):
		return false
	}
	return f.since != "" && c.CompatibilityDate >= f.since
}

// checkCompatibility reports what the host does otherwise than date and flags say, and flags that mean nothing to it.
func (p *problems) checkCompatibility(c *Config) {
	var known, fixed []string
	for _, f := range flags {
		known = append(known, f.on, f.off)
		if f.host == always && !f.enabled(c) {
			fixed = append(fixed, f.on)
		}
	}
	if len(fixed) > 0 && c.CompatibilityDate != "" {
		p.note(p.place(c, "compatibility_date"), "durago run behaves as with %s, which this date and these flags leave off", english(fixed))
	}
	for i, f := range c.CompatibilityFlags {
		at := p.place(c, fmt.Sprintf("compatibility_flags[%d]", i))
		if !slices.Contains(known, f) {
			p.note(at, "durago does not know the flag %s: it changes nothing on durago run", f)
		}
		for _, other := range c.CompatibilityFlags[:i] {
			if opposite(f, other) {
				p.own(at, "the flags %s and %s say the opposite: keep one", other, f)
			}
		}
	}
}

func opposite(a, b string) bool {
	for _, f := range flags {
		if f.off != "" && (a == f.on && b == f.off || a == f.off && b == f.on) {
			return true
		}
	}
	return false
}
