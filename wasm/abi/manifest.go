package abi

// Manifest is what a program says about itself at build time, as JSON. Types are TypeScript's.
type Manifest struct {
	ABI       int             `json:"abi"`
	Go        string          `json:"go"`
	Classes   []ManifestClass `json:"classes"`
	Routes    []ManifestRoute `json:"routes,omitempty"`
	Fetch     bool            `json:"fetch"`
	Scheduled bool            `json:"scheduled"`
	Queue     bool            `json:"queue"`
	Services  []ManifestClass `json:"services,omitempty"` // entrypoints; of the events they have fetch alone
	Targets   []ManifestClass `json:"targets,omitempty"`  // what methods take and return that has methods itself
}

// ManifestRoute sends requests straight to an object; ParseRoute reads the pattern.
type ManifestRoute struct {
	Pattern string `json:"pattern"`
	Binding string `json:"binding"`
}

// ManifestClass is one class: its RPC methods, and which events it handles.
type ManifestClass struct {
	Name    string           `json:"name"`
	Methods []ManifestMethod `json:"methods"`
	Fetch   bool             `json:"fetch"`
	Alarm   bool             `json:"alarm"`
	Message bool             `json:"message"`
	Close   bool             `json:"close"`
	Error   bool             `json:"error"`
}

// ManifestMethod is one RPC method.
type ManifestMethod struct {
	Name   string          `json:"name"`
	Params []ManifestParam `json:"params"`
	Result string          `json:"result"`
}

// ManifestParam is one parameter.
type ManifestParam struct {
	Name string `json:"name"`
	Type string `json:"type"`
}
