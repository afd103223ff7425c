// Command app is the app worker: pages and an API in front of objects that live in the backend worker, which it binds by
// script_name in wrangler.jsonc. It links the contracts of their classes only.
package main

import (
	"durago.example/objects"
	"durago.example/worker/app/front"
)

func main() {
	objects.Run(objects.Program{Routes: front.Routes, Fetch: front.Handler()})
}
