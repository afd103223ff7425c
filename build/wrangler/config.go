// Package wrangler reads wrangler.toml, wrangler.json and wrangler.jsonc: the keys that durago uses, with the file, the
// line and the key in every error. A key that it does not know fails; nothing is ignored silently. See
// https://developers.cloudflare.com/workers/wrangler/configuration/.
package wrangler

import "encoding/json"

// Config is a worker's configuration.
type Config struct {
	File string `json:"-"` // as it was given
	Dir  string `json:"-"` // of the file

	Schema             string           `json:"$schema"`
	Name               string           `json:"name"`
	Main               string           `json:"main"`
	AccountID          string           `json:"account_id"`
	CompatibilityDate  string           `json:"compatibility_date"`
	CompatibilityFlags []string         `json:"compatibility_flags"`
	DurableObjects     DurableObjects   `json:"durable_objects"`
	Migrations         []Migration      `json:"migrations"`
	Vars               map[string]any   `json:"vars"`
	KVNamespaces       []KVNamespace    `json:"kv_namespaces"`
	Services           []Service        `json:"services"`
	Limits             Limits           `json:"limits"`
	Build              Build            `json:"build"`
	Dev                Dev              `json:"dev"`
	Rules              []Rule           `json:"rules"`
	NoBundle           bool             `json:"no_bundle"`
	FindModules        bool             `json:"find_additional_modules"`
	BaseDir            string           `json:"base_dir"`
	WorkersDev         bool             `json:"workers_dev"`
	PreviewURLs        bool             `json:"preview_urls"`
	Observability      map[string]any   `json:"observability"`
	Placement          map[string]any   `json:"placement"`
	Triggers           Triggers         `json:"triggers"`
	SendMetrics        *json.RawMessage `json:"send_metrics"`
}

// DurableObjects holds the bindings of classes.
type DurableObjects struct {
	Bindings []Binding `json:"bindings"`
}

// Binding makes a class reachable under a name.
type Binding struct {
	Name       string `json:"name"`
	ClassName  string `json:"class_name"`
	ScriptName string `json:"script_name"`
}

// Migration is one step of the classes' history.
type Migration struct {
	Tag              string   `json:"tag"`
	NewClasses       []string `json:"new_classes"`
	NewSQLiteClasses []string `json:"new_sqlite_classes"`
	RenamedClasses   []Rename `json:"renamed_classes"`
	DeletedClasses   []string `json:"deleted_classes"`
}

// Rename moves a class to another name.
type Rename struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// KVNamespace binds a Workers KV namespace.
type KVNamespace struct {
	Binding   string `json:"binding"`
	ID        string `json:"id"` // default the binding's name
	PreviewID string `json:"preview_id"`
}

// Service binds a worker, or an entrypoint of one.
type Service struct {
	Binding    string         `json:"binding,omitempty"`
	Service    string         `json:"service,omitempty"`    // the worker's name
	Entrypoint string         `json:"entrypoint,omitempty"` // default the worker's own handlers
	Props      map[string]any `json:"props,omitempty"`      // what the entrypoint is told of this binding
}

// Limits bound an event.
type Limits struct {
	CPUMS float64 `json:"cpu_ms"`
}

// Build is a command that wrangler runs before it bundles.
type Build struct {
	Command  string `json:"command"`
	Cwd      string `json:"cwd"`
	WatchDir string `json:"watch_dir"`
}

// Dev is where the local server listens.
type Dev struct {
	IP   string  `json:"ip"`
	Port float64 `json:"port"`
}

// Rule says what kind of module a file is; durago's own output needs ESModule and CompiledWasm.
type Rule struct {
	Type        string   `json:"type"`
	Globs       []string `json:"globs"`
	Fallthrough bool     `json:"fallthrough"`
}

// Triggers are cron patterns; they fire on Cloudflare, and by hand locally.
type Triggers struct {
	Crons []string `json:"crons"`
}
