// Package web serves the player page: one HTML file and the modules, styles and art that it names.
//
// Everything is in the binary. The files behind the page stand under a hash of their whole tree, so a browser or a CDN
// may keep them for ever and the relative imports between modules stay as they are; the page itself is asked for again
// each time and names the tree that belongs to it.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:embed player sdk/*.js
var files embed.FS

const (
	indexFile = "player/index.html"
	treeMark  = "{{tree}}" // in index.html, where the address of the tree belongs
	bootFile  = "player/boot.js"
	bootMark  = "{{boot}}" // in index.html, where the script belongs that has to be there before any file
)

// types are the kinds of files there are; another kind does not get in unnoticed.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

// file is one file as it is sent.
type file struct {
	kind   string
	etag   string
	plain  []byte
	packed []byte // gzip; nil where that is no shorter
}

// site is all there is to serve.
type site struct {
	tree   string // "/assets/HASH/"
	index  file
	files  map[string]file // by path behind tree
	policy string
}

// Options are what a company decides about the page.
type Options struct {
	FrameAncestors []string // origins of pages that may frame it, and "self"; none may where it is empty
}

// Handler serves the page at / and /play/{campaign}, and what it names under /assets/.
func Handler(o Options) http.Handler {
	s, err := load(files)
	if err != nil {
		panic(err) // the files are part of the program, and a test loads them
	}
	s.policy += framing(o.FrameAncestors)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /play/{campaign}", s.page)
	mux.HandleFunc("GET /assets/{hash}/{file...}", s.asset)
	return s.guarded(mux)
}

// load reads, packs and names all files once.
func load(tree fs.FS) (*site, error) {
	s := &site{files: map[string]file{}}
	hash := sha256.New()
	var index, boot []byte
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %d\n", name, len(body))
		hash.Write(body)
		if name == indexFile {
			index = body
			return nil
		}
		if name == bootFile {
			boot = body
			return nil
		}
		s.files[name], err = pack(name, body)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.tree = "/assets/" + hex.EncodeToString(hash.Sum(nil))[:16] + "/"
	s.policy = policy(boot)
	index = bytes.ReplaceAll(index, []byte(bootMark), slices.Concat([]byte("<script>"), boot, []byte("</script>")))
	s.index, err = pack(indexFile, bytes.ReplaceAll(index, []byte(treeMark), []byte(strings.TrimSuffix(s.tree, "/"))))
	return s, err
}

func pack(name string, body []byte) (file, error) {
	kind, ok := types[path.Ext(name)]
	if !ok {
		return file{}, fmt.Errorf("web: %s: a kind of file that has no type here", name)
	}
	sum := sha256.Sum256(body)
	f := file{kind: kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: body}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return file{}, err
	}
	if _, err := w.Write(body); err != nil {
		return file{}, err
	}
	if err := w.Close(); err != nil {
		return file{}, err
	}
	if out.Len() < len(body) {
		f.packed = out.Bytes()
	}
	return f, nil
}
