package shake_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	testName = regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w*(…)?(?:/.*)?$`)
	filePath = regexp.MustCompile(`^[a-z][\w.-]*(?:/[\w.-]+)*/[\w.-]+\.(?:go|mjs|js|yaml|md|css|html)$|^[\w-]+_test\.go$`)
)

// What the documents on security say is held by a test is held by one that is there: a test that is renamed or removed takes
// its name in them along. A name that ends in … stands for all that begin so.
func TestDocs_nameTestsThatAreThere(t *testing.T) {
	tests := testsByFile(t)
	named := map[string]bool{}
	for _, list := range tests {
		for _, name := range list {
			named[name] = true
		}
	}
	for doc, least := range map[string]int{"docs/security.md": 15, "docs/asvs.md": 40} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for row := range strings.Lines(string(text)) {
			var files []string
			for _, m := range quoted.FindAllStringSubmatch(row, -1) {
				switch {
				case testName.MatchString(m[1]):
					found[m[1]] = true
					if !isTest(named, m[1]) {
						t.Errorf("%s names %s: there is no such test", doc, m[1])
					}
				case filePath.MatchString(m[1]):
					files = append(files, m[1])
				}
			}
			for _, file := range files {
				if _, err := os.Stat(file); err != nil {
					t.Errorf("%s names %s: there is no such file", doc, file)
				}
			}
		}
		if len(found) < least {
			t.Errorf("%s names %d tests, want at least %d: the test reads it wrongly", doc, len(found), least)
		}
	}
	// The rows of asvs.md say where each test stands: `TestX` `file`.
	text, err := os.ReadFile("docs/asvs.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w*…?)` `([^`\n]+_test\\.go)`").FindAllStringSubmatch(string(text), -1) {
		there := map[string]bool{}
		for _, name := range tests[m[2]] {
			there[name] = true
		}
		if !isTest(there, m[1]) {
			t.Errorf("docs/asvs.md says that %s is in %s", m[1], m[2])
		}
	}
}

// isTest tells whether there is a test of this name, or one that begins so.
func isTest(named map[string]bool, name string) bool {
	name, _, _ = strings.Cut(name, "/")
	begin, all := strings.CutSuffix(name, "…")
	if !all {
		return named[name]
	}
	for one := range named {
		if strings.HasPrefix(one, begin) {
			return true
		}
	}
	return false
}

// testsByFile are the names of all tests and fuzz targets of the tree.
func testsByFile(t *testing.T) map[string][]string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	tests := map[string][]string{}
	for _, path := range allGoFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			tests[path] = append(tests[path], m[1])
		}
	}
	return tests
}

// allGoFiles are all files of Go in the tree.
func allGoFiles(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".go") {
			list = append(list, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// macs says of each file that computes MACs whether it checks one that somebody else sent; it does so in constant time then.
var macs = map[string]bool{
	"access/session.go":       true,
	"game/token.go":           true,
	"game/claim.go":           true,
	"game/keys.go":            false, // derives keys, and what coins are drawn from
	"reward/httppush/sign.go": false, // signs what we send
}

// A MAC that is compared byte by byte tells by its time how much of a guess is right.
func TestMACs_areComparedInConstantTime(t *testing.T) {
	for _, path := range allGoFiles(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		imports := false
		for _, one := range parsed.Imports {
			imports = imports || one.Path.Value == `"crypto/hmac"`
		}
		checks, listed := macs[path]
		if imports != listed {
			t.Errorf("%s: uses crypto/hmac %v, is listed in macs %v: say there whether it checks MACs", path, imports, listed)
		}
		if !imports {
			continue
		}
		called := calls(parsed)
		for _, slow := range []string{"bytes.Equal", "bytes.Compare", "slices.Equal", "slices.Compare", "reflect.DeepEqual"} {
			if called[slow] {
				t.Errorf("%s calls %s", path, slow)
			}
		}
		if called["hmac.Equal"] != checks {
			t.Errorf("%s: calls hmac.Equal %v, checks MACs %v", path, called["hmac.Equal"], checks)
		}
	}
}

// calls are the functions of other packages that a file calls.
func calls(f *ast.File) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if fn, ok := call.Fun.(*ast.SelectorExpr); ok {
				if pkg, ok := fn.X.(*ast.Ident); ok {
					found[pkg.Name+"."+fn.Sel.Name] = true
				}
			}
		}
		return true
	})
	return found
}
