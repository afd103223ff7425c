package assets

import (
	"path"
	"strings"
)

// types are by the endings of names: those that wrangler gives to what sites have. Others have none.
var types = map[string]string{}

func init() {
	for t, endings := range map[string]string{
		"text/html": "html htm shtml", "text/css": "css", "text/plain": "txt text conf def list log in ini", "text/csv": "csv", "text/markdown": "md markdown",
		"text/javascript": "js mjs", "text/calendar": "ics ifb", "text/vtt": "vtt", "text/vcard": "vcard", "text/yaml": "yaml yml", "text/tab-separated-values": "tsv", "text/jsx": "jsx",
		"application/json": "json map", "application/json5": "json5", "application/ld+json": "jsonld", "application/geo+json": "geojson", "application/manifest+json": "webmanifest",
		"application/xml": "xml xsl xsd rng", "application/xhtml+xml": "xhtml xht", "application/rss+xml": "rss", "application/atom+xml": "atom", "application/wasm": "wasm",
		"application/pdf": "pdf", "application/zip": "zip", "application/gzip": "gz", "application/x-tar": "tar", "application/x-7z-compressed": "7z", "application/x-bzip2": "bz2 boz",
		"application/rtf": "rtf", "application/toml": "toml", "application/node": "cjs", "application/epub+zip": "epub", "application/x-sh": "sh", "application/sql": "sql",
		"application/octet-stream": "bin exe dll iso img dmg deb msi buffer", "application/vnd.apple.mpegurl": "m3u8", "application/dash+xml": "mpd", "application/java-archive": "jar war ear",
		"application/msword": "doc dot", "application/vnd.ms-excel": "xls", "application/vnd.ms-powerpoint": "ppt", "application/vnd.ms-fontobject": "eot",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
		"image/png": "png", "image/jpeg": "jpg jpeg jpe", "image/gif": "gif", "image/webp": "webp", "image/avif": "avif", "image/svg+xml": "svg svgz", "image/bmp": "bmp", "image/apng": "apng",
		"image/vnd.microsoft.icon": "ico", "image/tiff": "tif tiff", "image/heic": "heic", "image/jxl": "jxl",
		"font/woff": "woff", "font/woff2": "woff2", "font/ttf": "ttf", "font/otf": "otf", "font/collection": "ttc",
		"audio/mpeg": "mp3 mpga m2a m3a", "audio/ogg": "ogg oga opus spx", "audio/wav": "wav", "audio/mp4": "m4a mp4a", "audio/x-flac": "flac", "audio/aac": "aac", "audio/midi": "mid midi", "audio/webm": "weba",
		"video/mp4": "mp4 mp4v mpg4", "video/webm": "webm", "video/ogg": "ogv", "video/quicktime": "mov qt", "video/x-msvideo": "avi", "video/mpeg": "mpeg mpg mpe", "video/mp2t": "ts", "video/x-matroska": "mkv mk3d mks", "video/x-m4v": "m4v",
		"model/gltf-binary": "glb", "model/gltf+json": "gltf",
	} {
		if strings.HasPrefix(t, "text/") {
			t += "; charset=utf-8"
		}
		for _, e := range strings.Fields(endings) {
			types["."+e] = t
		}
	}
}

func contentType(file string) string { return types[strings.ToLower(path.Ext(file))] }
