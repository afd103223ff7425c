// The package declares functions without bodies (see label_js.go).
