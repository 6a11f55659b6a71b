// Package prometheus_test holds alarms, metrics, runbooks and faults together.
package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/shake-live/shake/internal/testenv"
)

const (
	root     = "../.."
	runbooks = root + "/docs/runbooks"
)

// headings are those of each runbook, in this order and no others.
var headings = []string{"What it means", "What players see", "First look", "Action", "How to know it is over"}

type rule struct {
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func rules(t *testing.T) (list []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	if len(list) == 0 {
		t.Fatal("there are no rules")
	}
	return list
}

func alarms(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(rules(t), func(r rule) bool { return r.Alert == "" })
}

// TestPromtool checks the rules and plays alerts_test.yaml.
func TestPromtool(t *testing.T) {
	promtool := testenv.Promtool(t)
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// Each alarm says how bad it is and where its page is; the page is there; nobody's page is left over.
func TestAlarms_haveRunbooks(t *testing.T) {
	pages := map[string]string{}
	for _, r := range alarms(t) {
		if s := r.Labels["severity"]; s != "page" && s != "warn" {
			t.Errorf("%s: severity %q, want page or warn", r.Alert, s)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", r.Alert)
		}
		name, ok := strings.CutPrefix(r.Annotations["runbook"], "docs/runbooks/")
		if !ok || name != kebab(r.Alert)+".md" {
			t.Errorf("%s: runbook %q, want docs/runbooks/%s.md", r.Alert, r.Annotations["runbook"], kebab(r.Alert))
			continue
		}
		if pages[name] != "" {
			t.Errorf("%s has two alarms", name)
		}
		pages[name] = r.Alert
	}
	index := read(t, filepath.Join(runbooks, "README.md"))
	checkLinks(t, filepath.Join(runbooks, "README.md"))
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "README.md" {
			continue
		}
		alarm, known := pages[name]
		delete(pages, name)
		if !known {
			t.Errorf("%s is no alarm's page", name)
			continue
		}
		if !strings.Contains(index, "["+alarm+"]("+name+")") {
			t.Errorf("the index does not name %s", alarm)
		}
		checkPage(t, name, alarm, read(t, file))
		checkLinks(t, file)
	}
	for name, alarm := range pages {
		t.Errorf("%s has no page %s", alarm, name)
	}
}

func kebab(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "$1-$2"))
}

// checkPage looks at a page's title, its headings, and that there is something under each.
func checkPage(t *testing.T, name, alarm, text string) {
	t.Helper()
	if !strings.HasPrefix(text, "# "+alarm+"\n") {
		t.Errorf("%s: want the title # %s", name, alarm)
	}
	parts := strings.Split(text, "\n## ")
	var got []string
	for _, part := range parts[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		got = append(got, heading)
		if strings.TrimSpace(body) == "" {
			t.Errorf("%s: there is nothing under %q", name, heading)
		}
	}
	if !slices.Equal(got, headings) {
		t.Errorf("%s has the headings %q, want %q", name, got, headings)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)`)

// checkLinks looks whether what a page names beside it is there.
func checkLinks(t *testing.T, file string) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
			t.Errorf("%s names %s: %v", filepath.Base(file), m[1], err)
		}
	}
}

var metricName = regexp.MustCompile(`\bshake_[a-z_]+`)

// metrics are the names that ops registers, with those that a histogram makes.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(root + "/ops/*.go")
	if err != nil {
		t.Fatal(err)
	}
	made, known := regexp.MustCompile(`f\.(counter|gauge|histogram)\("(shake_[a-z_]+)"|Name: "(shake_[a-z_]+)"`), map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range made.FindAllStringSubmatch(read(t, file), -1) {
			known[m[2]+m[3]] = true
			if m[1] == "histogram" {
				known[m[2]+"_bucket"], known[m[2]+"_sum"], known[m[2]+"_count"] = true, true, true
			}
		}
	}
	if len(known) < 50 {
		t.Fatalf("found %d metrics alone: has their making changed?", len(known))
	}
	return known
}

// begins tells whether a word that ends like the beginning of names is one, as in a grep.
func begins(known map[string]bool, word string) bool {
	for name := range known {
		if strings.HasSuffix(word, "_") && strings.HasPrefix(name, word) {
			return true
		}
	}
	return false
}

// What rules, their tests and runbooks say of metrics is true: there are such.
func TestMetrics_areThere(t *testing.T) {
	known := metrics(t)
	check := func(where, text string) {
		for _, name := range metricName.FindAllString(text, -1) {
			if !known[name] && !begins(known, name) {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "ProcessDown" && !metricName.MatchString(r.Expr) {
			t.Errorf("%s%s stands on no metric of ours", r.Alert, r.Record)
		}
		check(r.Alert+r.Record, r.Expr)
	}
	check("alerts_test.yaml", read(t, "alerts_test.yaml"))
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	for _, file := range files {
		check(filepath.Base(file), read(t, file))
	}
}

// Each alarm has a series in alerts_test.yaml that raises it, and is heard in the one where all is well.
func TestAlarms_arePlayed(t *testing.T) {
	var file struct {
		Tests []struct {
			Name   string `yaml:"name"`
			Inputs []struct {
				Series string `yaml:"series"`
			} `yaml:"input_series"`
			Checks []struct {
				Samples []struct {
					Labels string `yaml:"labels"`
				} `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "alerts_test.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	fires, well := map[string]bool{}, map[string]bool{}
	for _, one := range file.Tests {
		for _, in := range one.Inputs {
			name, _, _ := strings.Cut(in.Series, "{")
			if one.Name == "all is well" {
				well[name] = true
			}
		}
		for _, c := range one.Checks {
			for _, s := range c.Samples {
				fires[s.Labels] = true
			}
		}
	}
	for _, r := range alarms(t) {
		if !fires[`{alertname="`+r.Alert+`"}`] {
			t.Errorf("no series raises %s", r.Alert)
		}
		for _, name := range metricName.FindAllString(r.Expr, -1) {
			if !well[name] {
				t.Errorf("%s: %s is not among the series on which all is well", r.Alert, name)
			}
		}
	}
}

// What a page says of the fault that raises its alarm is true, and no fault that raises one goes unsaid.
func TestRunbooks_nameTheirFaults(t *testing.T) {
	files, err := filepath.Glob(root + "/test/faults/f[0-9]*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no faults: %v", err)
	}
	raises := map[string][]string{} // alarm -> numbers of faults
	breaks, number := regexp.MustCompile(`s\.breaks\("[^"]*"((?:, "\w+")+)\)`), regexp.MustCompile(`add\((\d+), `)
	for _, file := range files {
		text := read(t, file)
		n := number.FindStringSubmatch(text)
		if n == nil {
			continue
		}
		for _, b := range breaks.FindAllStringSubmatch(text, -1) {
			for _, name := range regexp.MustCompile(`\w+`).FindAllString(b[1], -1) {
				raises[name] = append(raises[name], n[1])
			}
		}
	}
	if len(raises) < 8 {
		t.Errorf("faults raise %d alarms, want at least 8", len(raises))
	}
	says := regexp.MustCompile(`FAULTS=([\d,]+)`)
	for _, r := range alarms(t) {
		var said []string
		for _, m := range says.FindAllStringSubmatch(read(t, filepath.Join(runbooks, kebab(r.Alert)+".md")), -1) {
			said = append(said, strings.Split(m[1], ",")...)
		}
		if !slices.Equal(said, raises[r.Alert]) {
			t.Errorf("%s: its page says that faults %v raise it, and faults %v do", r.Alert, said, raises[r.Alert])
		}
	}
}
