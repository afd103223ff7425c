// Package wrangler reads wrangler.toml, wrangler.json and wrangler.jsonc as wrangler does: which file, which environment,
// what it means, and what is wrong with it, at a file, a line and a column. See
// https://developers.cloudflare.com/workers/wrangler/configuration/.
//
// A mistake that wrangler finds has wrangler's sentence, and is an error or a warning as it is there. durago is stricter:
// nothing that it does not understand is ignored silently. A key that wrangler has and durago does not support is an
// error that says so; so is a key that neither has. Each such case is a row under testdata, compared with wrangler itself.
//
// The package reads files and knows nothing of what runs. Its functions may be called concurrently; a Config is not
// changed once Parse has returned it.
package wrangler

import (
	"encoding/json"
	"strings"
)

// Config is a worker's configuration in one environment.
type Config struct {
	File     string       `json:"-"` // as it was given
	Dir      string       `json:"-"` // of the file
	Env      string       `json:"-"` // the environment; "" is the top level
	Warnings []Diagnostic `json:"-"`

	Schema             string            `json:"$schema"`
	Name               string            `json:"name"`
	Main               string            `json:"main"`
	AccountID          string            `json:"account_id"`
	CompatibilityDate  string            `json:"compatibility_date"`
	CompatibilityFlags []string          `json:"compatibility_flags"`
	DurableObjects     DurableObjects    `json:"durable_objects"`
	Migrations         []Migration       `json:"migrations"`
	Exports            map[string]Export `json:"exports"`
	Vars               map[string]any    `json:"vars"` // strings, or what JSON has
	Secrets            *Secrets          `json:"secrets"`
	KVNamespaces       []KVNamespace     `json:"kv_namespaces"`
	Services           []Service         `json:"services"`
	Assets             *Assets           `json:"assets"`
	Limits             Limits            `json:"limits"`
	Build              Build             `json:"build"`
	Dev                Dev               `json:"dev"`
	Rules              []Rule            `json:"rules"`
	Triggers           Triggers          `json:"triggers"`
	NoBundle           bool              `json:"no_bundle"`
	FindModules        bool              `json:"find_additional_modules"`
	BaseDir            string            `json:"base_dir"`
	WorkersDev         bool              `json:"workers_dev"`
	PreviewURLs        bool              `json:"preview_urls"`
	Observability      map[string]any    `json:"observability"`
	Placement          map[string]any    `json:"placement"`
	Route              any               `json:"route"`
	Routes             []any             `json:"routes"`
	SendMetrics        *json.RawMessage  `json:"send_metrics"`
}

// Limits bound an event.
type Limits struct {
	CPUMS       float64 `json:"cpu_ms"`
	Subrequests float64 `json:"subrequests"`
}

// Build is a command that wrangler runs before it bundles.
type Build struct {
	Command  string `json:"command"`
	Cwd      string `json:"cwd"`
	WatchDir Paths  `json:"watch_dir"`
}

// Paths are written as one string or as a list.
type Paths []string

// UnmarshalJSON reads either form.
func (p *Paths) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(string(b), "[") {
		return json.Unmarshal(b, (*[]string)(p))
	}
	*p = Paths{""}
	return json.Unmarshal(b, &(*p)[0])
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
