package deps

import _ "github.com/syumai/workers/cloudflare"
import _ "github.com/syumai/workers/cloudflare/kv"
