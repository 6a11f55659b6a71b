package shake_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/shake-live/shake/"

// floors says for each folder of ours which others it may import, besides those that everybody may. A folder that
// ends in /* stands for its subfolders. docs/architecture.md tells the same as a picture.
var floors = map[string][]string{
	"internal/clock":              {},
	"internal/failpoint":          {},
	"event":                       {},
	"event/eventtest":             {"event"},
	"event/letters":               {"event"},
	"inventory":                   {"event"},
	"inventory/inventorytest":     {"event", "event/eventtest", "inventory"},
	"game/fairplay":               {},
	"game/roundlog":               {},
	"game":                        {"event", "inventory", "game/fairplay"},
	"game/referee":                {"game", "game/fairplay"},
	"game/gametest":               {"event", "inventory", "game"},
	"leaderboard":                 {"event"},
	"leaderboard/leaderboardtest": {"event", "leaderboard"},
	"reward":                      {"event"},
	"reward/rewardtest":           {"event", "reward"},

	"internal/redisdb":   {"event"},
	"internal/sqldb":     {},
	"internal/httpapi":   {},
	"internal/outgoing":  {},
	"internal/config":    {"internal/yamlfile"},
	"internal/yamlfile":  {},
	"internal/devserver": {},
	"internal/sbom":      {},
	"internal/testenv/*": {"internal/testenv"},
	"internal/sqldb/*":   {"internal/sqldb", "internal/testenv"},

	"event/kafkabus":         {"event"},
	"event/redisoutbox":      {"event", "internal/redisdb"},
	"event/sqlletters":       {"event/letters", "internal/sqldb"},
	"inventory/redispool":    {"event", "inventory", "internal/redisdb"},
	"game/redisgame":         {"event", "inventory", "game", "internal/redisdb"},
	"game/sqlcatalog":        {"event", "inventory", "game", "internal/sqldb"},
	"game/sqljudgements":     {"game/fairplay", "game/referee", "internal/sqldb"},
	"leaderboard/redisboard": {"event", "leaderboard", "internal/redisdb"},
	"leaderboard/sqlboard":   {"event", "leaderboard", "internal/sqldb"},
	"reward/sqlcursor":       {"event", "reward", "internal/sqldb"},
	"reward/sqlledger":       {"event", "reward", "reward/sqlcursor", "internal/sqldb"},
	"reward/redisline":       {"event", "reward", "internal/redisdb"},
	"reward/httppush":        {"reward", "internal/outgoing"},
	"reward/sqlinbox":        {"event", "reward", "reward/sqlcursor", "internal/sqldb"},

	"access": {"event", "inventory", "game", "leaderboard", "reward", "internal/httpapi", "internal/yamlfile"},
	// It says who refuses and who can't be reached in the door's own words, so it stands on the door, not under it.
	"access/platform":   {"event", "game", "access", "internal/outgoing"},
	"access/redisnames": {},
	"admin":             {"event", "inventory", "game", "game/fairplay", "leaderboard", "reward", "internal/httpapi", "internal/yamlfile"},
	"ops":               {"event", "inventory", "game", "leaderboard", "reward", "internal/httpapi", "internal/yamlfile"},

	"ops/reconcile":          {"event", "inventory", "leaderboard", "reward"},
	"ops/reconcile/sqlaudit": {"event", "reward", "ops/reconcile", "internal/sqldb"},

	"client": {}, // a player from outside, as a company writes one

	"deploy/prometheus": {}, // rules, and a test that holds them against metrics, runbooks and faults

	"web": {}, // files over HTTP: it knows the API as any page does, from outside

	"internal/app": {"*"},
	"cmd/shake":    {"internal/app", "internal/config", "admin", "game", "ops", "ops/reconcile", "event/letters"},
	"test/*":       {"*"},
}

// everybody may import these.
var everybody = []string{"internal/clock", "internal/failpoint"}

// guarded says who alone may import a library.
var guarded = map[string][]string{
	"github.com/gin-gonic/gin":       {"access", "admin", "internal/httpapi", "test/bench"},
	"github.com/redis/go-redis/":     {"internal/redisdb", "event/redisoutbox", "inventory/redispool", "game/redisgame", "leaderboard/redisboard", "access/redisnames", "test/bench"},
	"github.com/IBM/sarama":          {"event/kafkabus", "test/bench"},
	"github.com/go-sql-driver/mysql": {"internal/sqldb", "internal/testenv"},
	"modernc.org/sqlite":             {"internal/sqldb"},
	"github.com/alicebob/miniredis/": {"internal/devserver"},
	"github.com/twmb/franz-go":       {"internal/devserver", "internal/testenv"},
	"github.com/prometheus/":         {"ops"},
	"github.com/alecthomas/kong":     {"cmd/shake"},
	"github.com/golang-jwt/":         {"access/platform"}, // at the login alone: a session is checked without
	"github.com/go-jose/":            {"access/platform"}, // reads JWK sets
	"github.com/chromedp/":           {"test/e2e"},
}

// TestFloorplan parses every file of ours and checks its imports: they go one way, and each library has its door.
// Tests may import stores, servers and suites to put them together; libraries stay behind their doors there too,
// except that a test may speak to a server directly.
func TestFloorplan(t *testing.T) {
	for _, file := range goFiles(t) {
		folder := path.Dir(filepath.ToSlash(file))
		if folder == "." {
			continue
		}
		allowed, known := floor(folder)
		if !known {
			t.Errorf("%s: folder %s has no floor: give it one in floorplan_test.go", file, folder)
			continue
		}
		for _, imported := range imports(t, file) {
			if problem := check(folder, imported, allowed); problem != "" && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s: %s", file, problem)
			}
		}
	}
}

// TestFloorplan_complete fails when a floor has no folder any more.
func TestFloorplan_complete(t *testing.T) {
	files := goFiles(t)
	for folder := range floors {
		prefix := strings.TrimSuffix(folder, "*")
		if !strings.HasSuffix(folder, "*") {
			prefix += "/"
		}
		if !slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(filepath.ToSlash(f), prefix) }) {
			t.Errorf("floor %s has no folder", folder)
		}
	}
}

func check(folder, imported string, allowed []string) string {
	if ours, ok := strings.CutPrefix(imported, module); ok {
		if slices.Contains(allowed, "*") || slices.Contains(allowed, ours) || slices.Contains(everybody, ours) {
			return ""
		}
		return folder + " must not import " + ours
	}
	for library, doors := range guarded {
		if strings.HasPrefix(imported, library) && !slices.Contains(doors, folder) {
			return folder + " must not import " + imported + ": its doors are " + strings.Join(doors, ", ")
		}
	}
	return ""
}

// floor finds the floor of a folder: its own, or that of the folder it stands in.
func floor(folder string) (allowed []string, known bool) {
	if allowed, known = floors[folder]; known {
		return allowed, true
	}
	for name, allowed := range floors {
		if prefix, ok := strings.CutSuffix(name, "/*"); ok && (folder == prefix || strings.HasPrefix(folder, prefix+"/")) {
			return allowed, true
		}
	}
	return nil, false
}

func goFiles(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(name, ".go") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func imports(t *testing.T, file string) (list []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	return list
}
