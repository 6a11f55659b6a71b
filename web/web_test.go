package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, url string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", url, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler(Options{}).ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var named = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)

func TestPage_isAskedForEachTimeAndNamesFilesForEver(t *testing.T) {
	for _, url := range []string{"/", "/play/demo"} {
		r := get(t, url)
		page := text(t, r)
		if r.StatusCode != 200 || r.Header.Get("Cache-Control") != "no-cache" || r.Header.Get("ETag") == "" {
			t.Errorf("%s: got %d %v, want 200, no-cache and an ETag", url, r.StatusCode, r.Header)
		}
		files := named.FindAllStringSubmatch(page, -1)
		if len(files) < 5 || strings.Contains(page, treeMark) {
			t.Errorf("%s: names %d files, mark replaced: %v", url, len(files), !strings.Contains(page, treeMark))
		}
		for _, m := range files {
			if r := get(t, m[1]); r.StatusCode != 200 || r.Header.Get("Cache-Control") != forEver {
				t.Errorf("%s: got %d %q, want 200 and %q", m[1], r.StatusCode, r.Header.Get("Cache-Control"), forEver)
			}
		}
	}
}

func TestPage_unchangedIsNotSentAgain(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		etag := get(t, "/", "Accept-Encoding", encoding).Header.Get("ETag")
		for _, sent := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
			r := get(t, "/", "Accept-Encoding", encoding, "If-None-Match", sent)
			if r.StatusCode != 304 || text(t, r) != "" || r.Header.Get("ETag") != etag {
				t.Errorf("encoding %q, If-None-Match %s: got %d with ETag %s", encoding, sent, r.StatusCode, r.Header.Get("ETag"))
			}
		}
		if r := get(t, "/", "Accept-Encoding", encoding, "If-None-Match", `"x"`); r.StatusCode != 200 {
			t.Errorf("another ETag: got %d, want 200", r.StatusCode)
		}
	}
}

func TestPage_isGuarded(t *testing.T) {
	for _, url := range []string{"/", "/play/demo", "/assets/0/x", "/nowhere"} {
		h := get(t, url).Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self' 'sha256-", "worker-src 'self';", "style-src 'self';", "object-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %s", url, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" ||
			!strings.Contains(h.Get("Permissions-Policy"), "accelerometer=(self)") || strings.Contains(h.Get("Permissions-Policy"), "web-share") {
			t.Errorf("%s: got %v", url, h)
		}
	}
}

func TestPage_isFramedByWhoMay(t *testing.T) {
	for want, list := range map[string][]string{
		"frame-ancestors 'none'": nil,
		"frame-ancestors 'self'": {"self"},
		"frame-ancestors https://app.example 'self' capacitor://localhost": {"https://app.example", "self", "capacitor://localhost"},
	} {
		w := httptest.NewRecorder()
		Handler(Options{FrameAncestors: list}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := w.Header().Get("Content-Security-Policy"); !strings.HasSuffix(got, "; "+want) {
			t.Errorf("%v: got %q, want it to end in %s", list, got, want)
		}
	}
}

// The one script that stands in the page is let in by its hash, and it is the first thing that could fail.
func TestPage_bootIsLetIn(t *testing.T) {
	r := get(t, "/")
	page := text(t, r)
	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindAllStringSubmatch(page, -1)
	if len(scripts) != 1 || strings.Contains(page, bootMark) {
		t.Fatalf("got %d scripts inline, want one", len(scripts))
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	if want := "script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(r.Header.Get("Content-Security-Policy"), want) {
		t.Errorf("got %q, want %s", r.Header.Get("Content-Security-Policy"), want)
	}
	if strings.Index(page, "<script>") > strings.Index(page, "/assets/") {
		t.Error("a file is named before the script that watches for missing ones")
	}
}

// The policy lets nothing else inline in, so what stood inline would silently not work.
func TestFiles_haveNothingInline(t *testing.T) {
	page := string(raw(t, indexFile))
	for _, bad := range []string{" style=", "<style", " onclick=", "javascript:", "http://", "https://"} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html has %q", bad)
		}
	}
	if inline := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(page); inline != "" {
		t.Errorf("index.html has a script inline: %s", inline)
	}
}

// What players, boards and servers say is set as text: no module makes markup or code of it.
func TestFiles_makeNoMarkup(t *testing.T) {
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	modules := 0
	for name, f := range s.files {
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		modules++
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment", "srcdoc", "eval(", "new Function", "__proto__"} {
			if bytes.Contains(f.plain, []byte(bad)) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
	if modules < 20 {
		t.Errorf("got %d modules, want all of them looked at", modules)
	}
}

var imported = regexp.MustCompile(`(?:(?:from|import) |new URL\()'(\.[^']+)'|url\(([^)]+)\)`)

// A browser finds out about a missing module when a nation looks at the page; this test before.
func TestFiles_findEachOther(t *testing.T) {
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range s.files {
		if !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".css") {
			continue
		}
		for _, m := range imported.FindAllStringSubmatch(string(f.plain), -1) {
			if _, ok := s.files[path.Join(path.Dir(name), m[1]+m[2])]; !ok {
				t.Errorf("%s names %s, which is not there", name, m[1]+m[2])
			}
		}
	}
}

// A module that is found out about late is waited for; all of them are asked for at once.
func TestFiles_modulesComeTogether(t *testing.T) {
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(name string, seen map[string]bool)
	walk = func(name string, seen map[string]bool) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, m := range regexp.MustCompile(`(?m)^(?:import|export) .*'(\.[^']+)';$`).FindAllStringSubmatch(string(s.files[name].plain), -1) {
			walk(path.Join(path.Dir(name), m[1]), seen)
		}
	}
	want, got := map[string]bool{}, map[string]bool{"player/main.js": true}
	walk("player/main.js", want)
	for _, m := range regexp.MustCompile(`rel="modulepreload" href="`+s.tree+`([^"]+)"`).FindAllStringSubmatch(string(s.index.plain), -1) {
		got[m[1]] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("got preloads of %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

const weightLimit = 100_000 // bytes over the network, all languages and all of the SDK with them

func TestFiles_areLight(t *testing.T) {
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	sum := sent(s.index)
	for _, f := range s.files {
		sum += sent(f)
	}
	t.Logf("page weight: %d bytes compressed in %d files, limit %d", sum, len(s.files)+1, weightLimit)
	if sum > weightLimit {
		t.Errorf("the page weighs %d bytes, want at most %d", sum, weightLimit)
	}
}

func sent(f file) int {
	if f.packed != nil {
		return len(f.packed)
	}
	return len(f.plain)
}

func TestAsset_comesPackedToWhoTakesIt(t *testing.T) {
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	url := s.tree + "player/main.js"
	plain := text(t, get(t, url))
	for header, want := range map[string]bool{"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "*": true, "br": false, "GZIP": true} {
		r := get(t, url, "Accept-Encoding", header)
		body := text(t, r)
		if got := r.Header.Get("Content-Encoding") == "gzip"; got != want || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: packed is %v, want %v; header %v", header, got, want, r.Header)
			continue
		}
		if want {
			unpacked, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(unpacked)
			if err != nil {
				t.Fatal(err)
			}
			body = string(all)
		}
		if body != plain {
			t.Errorf("Accept-Encoding %q: another body", header)
		}
	}
}

func TestAsset_ofAnotherTreeIsNotOurs(t *testing.T) {
	s, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"/assets/0123456789abcdef/player/main.js", s.tree + "player/none.js", s.tree + "player/index.html", s.tree + "../web.go"} {
		if r := get(t, url); r.StatusCode == 200 || r.Header.Get("Cache-Control") == forEver {
			t.Errorf("%s: got %d %q, want nothing that is kept", url, r.StatusCode, r.Header.Get("Cache-Control"))
		}
	}
}

func TestLoad_namesATreeByAllItHolds(t *testing.T) {
	tree := func(body string) string {
		s, err := load(fstest.MapFS{indexFile: {Data: []byte("<" + treeMark + ">")}, "player/a.js": {Data: []byte(body)}})
		if err != nil {
			t.Fatal(err)
		}
		if want := "<" + strings.TrimSuffix(s.tree, "/") + ">"; string(s.index.plain) != want {
			t.Errorf("got %s, want %s", s.index.plain, want)
		}
		return s.tree
	}
	if one, again := tree("1"), tree("1"); one == tree("2") || one != again {
		t.Error("want the same name for the same files, another for others")
	}
	if _, err := load(fstest.MapFS{"player/a.exe": {}}); err == nil {
		t.Error("a file of an unknown kind got in")
	}
}

// The modules have tests of their own, for node. Nothing else of the project needs node, so a machine without one leaves
// them to `make web-test`, which fails there.
func TestModules(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed; make web-test runs these")
	}
	tests, err := fs.Glob(os.DirFS("test"), "*_test.mjs")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	args := []string{"--test", "--test-reporter=tap"}
	for _, name := range tests {
		args = append(args, "test/"+name)
	}
	out, err := exec.Command(node, args...).CombinedOutput()
	if err != nil { // some count milliseconds, and other packages' servers have the machine too: once more, with what came out
		t.Logf("the first go: %v\n%s", err, out)
		out, err = exec.Command(node, args...).CombinedOutput()
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "recall") || strings.Contains(line, "beats in") {
			t.Log(strings.TrimSpace(line))
		}
	}
	if err != nil || !bytes.Contains(out, []byte("\n# fail 0")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func raw(t *testing.T, name string) []byte {
	t.Helper()
	body, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
