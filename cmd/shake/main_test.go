package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shake-live/shake/internal/app"
	"github.com/shake-live/shake/internal/config"
)

// asProgram makes the test's binary the program itself, so that it can be run as a process of its own.
const asProgram = "SHAKE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// ran is what a command line came to.
type ran struct {
	code        int
	out, errOut string
}

func runLine(args ...string) ran {
	var out, errOut bytes.Buffer
	code := run(args, &out, &errOut)
	return ran{code, out.String(), errOut.String()}
}

func (r ran) String() string { return fmt.Sprintf("code %d, out %q, err %q", r.code, r.out, r.errOut) }

var commands = [][]string{
	{}, {"dev"}, {"serve"}, {"migrate"}, {"campaign"}, {"campaign", "apply"}, {"campaign", "list"}, {"campaign", "show"}, {"verify"}, {"fairplay"}, {"reconcile"}, {"replay"},
	{"pool"}, {"pool", "show"}, {"pool", "reopen"}, {"pool", "move"},
	{"deadletters"}, {"deadletters", "list"}, {"deadletters", "inspect"}, {"deadletters", "edit"}, {"deadletters", "resend"},
}

func TestHelp_everywhere(t *testing.T) {
	for _, c := range commands {
		for _, flag := range []string{"--help", "-h"} {
			got := runLine(append(c, flag)...)
			if got.code != 0 || got.errOut != "" || !strings.HasPrefix(got.out, "Usage: shake "+strings.Join(c, " ")) {
				t.Errorf("%q %s: got %s, want its usage on standard output and code 0", c, flag, got)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	if got := runLine("--version"); got.code != 0 || !strings.HasPrefix(got.out, "shake ") || !strings.Contains(got.out, "go1.") {
		t.Errorf("got %s, want a version on standard output", got)
	}
}

// Every flag and argument has a word in the help.
func TestHelp_saysWhatEachFlagIs(t *testing.T) {
	for _, c := range commands {
		lines := strings.Split(runLine(append(c, "--help")...).out, "\n")
		for i, line := range lines {
			words := strings.Fields(line)
			if len(words) == 1 && strings.HasPrefix(words[0], "--") && (i+1 == len(lines) || strings.TrimSpace(lines[i+1]) == "") {
				t.Errorf("%q: %s has no word of help", c, words[0])
			}
		}
	}
}

// files are made in a folder: good ones and broken ones.
func files(t *testing.T) map[string]string {
	t.Helper()
	dir, at := t.TempDir(), map[string]string{}
	for name, text := range map[string]string{
		"good.yaml":    "sql: {driver: sqlite, dsn: env:SHAKE_TEST_DSN}\nsessions: {current: a, keys: {a: env:SHAKE_TEST_KEY}}\nruns: {current: a, keys: {a: env:SHAKE_TEST_KEY}}\n",
		"unknown.yaml": "colour: red\n", "secret.yaml": "sql: {dsn: hunter2}\n", "show.yaml": "id: show\n", "broken.yaml": "id: [\n",
	} {
		at[name] = filepath.Join(dir, name)
		if err := os.WriteFile(at[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at["empty"] = t.TempDir()
	at["nothing"] = filepath.Join(dir, "nothing")
	t.Setenv("SHAKE_TEST_DSN", filepath.Join(dir, "nowhere", "shake.db"))
	t.Setenv("SHAKE_TEST_KEY", "a key that is long enough")
	return at
}

// Wrong usage ends with code 2 and says what is wrong; nothing goes to standard output.
func TestUsage_isCode2(t *testing.T) {
	at := files(t)
	for _, c := range []struct{ line, want string }{
		{"", "expected one of"},
		{"nope", "unexpected argument nope"},
		{"--nope", "unknown flag --nope"},
		{"campaign", "expected one of"},
		{"campaign nope", "unexpected argument nope"},
		{"dev extra", "unexpected argument extra"},
		{"dev --nope", "unknown flag --nope"},
		{"dev --round soon", "--round"},
		{"dev --chances many", "--chances"},
		{"dev --chances 2.5", "--chances"},
		{"dev --durability replicated", "--durability"},
		{"dev --log-level loud", "--log-level"},
		{"dev --bots=-1", "--bots -1: want 0 or more"},
		{"dev --listen nonsense", `--listen "nonsense": want host:port`},
		{"dev --ops-listen 127.0.0.1:99999", "want a port from 0 to 65535"},
		{"serve", "--config"},
		{"serve --config {nothing}", "no such file"},
		{"serve --config {empty}", "--config"},
		{"serve --config {unknown.yaml}", `[1:1] unknown field "colour"`},
		{"serve --config {secret.yaml}", "sql.dsn: want env:NAME or file:PATH"},
		{"serve --config {good.yaml} --roles cook", `role "cook"`},
		{"serve --config {good.yaml} --roles api,cook", `role "cook"`},
		{"migrate", "--config=STRING or --data=STRING"},
		{"migrate --config {unknown.yaml}", `unknown field "colour"`},
		{"migrate --config {good.yaml} --data {empty}", "can't be used together"},
		{"campaign list", "--config=STRING or --data=STRING"},
		{"campaign list --config {unknown.yaml}", `unknown field "colour"`},
		{"campaign list --data {nothing}", "no such file"},
		{"campaign list --data {empty}", "no such file"},
		{"campaign list --data {good.yaml}", "--data"},
		{"campaign list --data {empty} --json=maybe", "--json"},
		{"campaign show --data {empty}", "<id>"},
		{"campaign show a b --data {empty}", "unexpected argument b"},
		{"campaign apply --data {empty}", "<file>"},
		{"campaign apply {nothing} --data {empty}", "no such file"},
		{"campaign apply {empty} --data {empty}", "<file>"},
		{"verify --data {empty}", "<round>"},
		{"verify demo.1.1.ann --data {empty}", "want campaign.run.epoch.user.number"},
		{"verify demo.1.1.ann.7 --data {empty}", "no such file"},
		{"fairplay --data {empty}", "<campaign>"},
		{"fairplay demo", "--config=STRING or --data=STRING"},
		{"fairplay demo --data {empty} --limit 0", "--limit 0: want 1 to 10000"},
		{"replay --data {empty} x", "--from"},
		{"replay --from kafka --data {empty} x", `--from kafka reads no file: unexpected "x"`},
		{"replay --from outbox --data {empty}", "--from outbox wants --campaign"},
		{"replay --from kafka --data {empty}", "--from kafka wants --campaign"},
		{"replay --from kafka --data {empty} --campaign demo --user ann", "--user: entries of a shard go in order"},
		{"replay --from outbox --data {empty} --campaign demo --user ann", "there would be a hole"},
		{"replay --from outbox --data {empty} --campaign demo --since 2h", "--since, --until: an outbox is carried from its oldest entry on"},
		{"replay --from outbox --data {empty} --campaign demo --to board", "--to goes with --from kafka"},
		{"replay --from outbox --data {empty} --campaign demo --offset 0:1", "--offset goes with --from kafka"},
		{"replay --from claims --data {empty} --rebuild {show.yaml}", "--rebuild goes with --from kafka"},
		{"replay --from claims --data {empty} --all-runs {show.yaml}", "--all-runs"},
		{"replay --from claims --data {empty}", "--from claims wants the file"},
		{"replay --from claims --data {empty} {nothing}", "no such file"},
		{"replay --from claims --data {empty} --run 2 {show.yaml}", "--run 2: want 1 or more, and --campaign"},
		{"replay --from kafka --data {empty} --campaign demo --run 2 --all-runs", "--all-runs and --run"},
		{"replay --from kafka --data {empty} --campaign demo --to ledger,nobody", "--to ledger,nobody: want some of ledger,board,inbox"},
		{"replay --from kafka --data {empty} --campaign demo --to ledger,ledger", "each once"},
		{"replay --from kafka --data {empty} --campaign demo --to ledger --rebuild", "--rebuild goes with --to board"},
		{"replay --from kafka --data {empty} --campaign demo --rebuild --since 1h", "--rebuild reads a run's whole log"},
		{"replay --from kafka --data {empty} --campaign demo --since 1h --offset 0:1", "both say where to begin"},
		{"replay --from kafka --data {empty} --campaign demo --offset 0", "want PARTITION:OFFSET"},
		{"replay --from kafka --data {empty} --campaign demo --offset 0:1,0:2", "each partition once"},
		{"replay --from kafka --data {empty} --campaign demo --shard -1", "--shard"},
		{"replay --from kafka --data {empty} --campaign demo --shard first", `--shard "first": want a number from 0 on, or bank`},
		{"replay --from kafka --data {empty} --campaign demo --since soon", `--since "soon": want a time`},
		{"replay --from kafka --data {empty} --campaign demo", "no such file"},
		{"replay --from outbox --data {empty} --campaign demo", "no such file"},
		{"replay --from round-log --data {empty}", "--from round-log wants its folder"},
		{"replay --from round-log --data {empty} --rate 0 {empty}", "--rate 0: want 1 to 100000"},
		{"replay --from round-log --data {empty} {nothing}", "want a folder"},
		{"fairplay demo --data {empty} --limit many", "--limit"},
		{"fairplay demo --data {empty}", "no such file"},
		{"deadletters", "expected one of"},
		{"deadletters list", "--config=STRING or --data=STRING"},
		{"deadletters list --data {empty}", "no such file"},
		{"deadletters list --data {empty} --limit 0", "--limit 0: want 1 to 10000"},
		{"deadletters list --data {empty} --run 2", "--run 2: want 1 or more, and --campaign"},
		{"deadletters list --data {empty} --since yesterday", `--since "yesterday": want a time`},
		{"deadletters list --data {empty} --until -2h", "--until"},
		{"deadletters inspect --data {empty}", "<id>"},
		{"deadletters inspect 17 --data {empty}", `bad letter id "17"`},
		{"deadletters inspect x/0/y --data {empty}", `bad letter id "x/0/y"`},
		{"deadletters inspect 0/1 --data {empty} --raw --json", "can't be used together"},
		{"deadletters inspect 0/1 --data {empty}", "no such file"},
		{"deadletters edit 0/1 --data {empty} --by ann --why x", "--file"},
		{"deadletters edit 0/1 --data {empty} --by ann --value {}", "--why"},
		{"deadletters edit 0/1 --data {empty} --by ann --why x --file {nothing}", "no such file"},
		{"deadletters edit 0/1 --data {empty} --by ann --why x --value=", "the value has 0 bytes"},
		{"deadletters resend --data {empty} --by ann", "want ids, or a filter, or --all"},
		{"deadletters resend 0/1 --data {empty} --by ann --group ledger", "want ids, or a filter, or --all"},
		{"deadletters resend 0/1 --data {empty} --by ann --max 0", "--max 0: want 1 to 10000"},
		{"deadletters resend 0/1 --data {empty} --by ann --rate 0", "--rate 0: want 1 to 10000"},
		{"deadletters resend 0/1/2/3 --data {empty} --by ann", "bad letter id"},
		{"deadletters resend 0/1 --data {empty} --by ann", "no such file"},
		{"reconcile --data {empty}", "<campaign>"},
		{"reconcile demo", "--config=STRING or --data=STRING"},
		{"reconcile demo --data {empty} --apply abc", "--apply goes with --repair"},
		{"reconcile demo --data {empty} --repair --counters", "--repair needs the rounds"},
		{"reconcile demo --data {empty} --run -1", "--run"},
		{"reconcile demo --data {empty} --run=-1", "--run -1: want 1 or more"},
	} {
		args := strings.Fields(c.line)
		for i, arg := range args {
			if name, ok := strings.CutPrefix(arg, "{"); ok {
				args[i] = at[strings.TrimSuffix(name, "}")]
			}
		}
		got := runLine(args...)
		if got.code != 2 || got.out != "" || !strings.Contains(got.errOut, c.want) || !strings.HasPrefix(got.errOut, "shake: ") {
			t.Errorf("shake %s: got %s, want code 2 and %q on standard error alone", c.line, got, c.want)
		}
		if strings.Contains(got.errOut, "hunter2") {
			t.Errorf("shake %s: got %s, which has a secret in it", c.line, got)
		}
	}
}

// Flags of dev that make no campaign are wrong usage too.
func TestUsage_ofDevsDemo(t *testing.T) {
	for flag, want := range map[string]string{
		"--shards=0": "shards 0", "--market=sg": `market "sg"`, "--pool=-1": "pool", "--chances=0": "chances", "--floor=1000000": "floor 1000000",
		"--round=1ms": "round", "--live=0s": "ends_at", "--warmup=-5s": "warmup_at",
	} {
		got := runLine("dev", "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--data="+t.TempDir(), flag)
		if got.code != 2 || !strings.Contains(got.errOut, want) {
			t.Errorf("dev %s: got %s, want code 2 and %s", flag, got, want)
		}
	}
}

// A file that is no good campaign is a finding.
func TestApply_brokenFileIsAFinding(t *testing.T) {
	at := files(t)
	for file, want := range map[string]string{"broken.yaml": "campaign file: [2:1]", "unknown.yaml": `unknown field "colour"`} {
		if got := runLine("campaign", "apply", at[file], "--data", at["empty"]); got.code != 1 || got.out != "" || !strings.Contains(got.errOut, want) {
			t.Errorf("%s: got %s, want code 1 and %s", file, got, want)
		}
	}
}

// A system that does not answer is code 3.
func TestUnreachable_isCode3(t *testing.T) {
	at := files(t)
	lines := [][]string{
		{"campaign", "list"}, {"campaign", "show", "demo"}, {"verify", "demo.1.1.ann.7"}, {"fairplay", "demo"}, {"reconcile", "demo"}, {"migrate"}, {"serve"}, {"campaign", "apply", at["show.yaml"]},
	}
	for _, line := range lines {
		if got := runLine(append(line, "--config", at["good.yaml"])...); got.code != 3 || got.out != "" || !strings.HasPrefix(got.errOut, "shake: ") {
			t.Errorf("shake %q without a database: got %s, want code 3", line, got)
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("open: %w", app.ErrUnreachable), 3}, {fmt.Errorf("%w: x", errUsage), 2}, {fmt.Errorf("%w: x", config.ErrInvalid), 2},
		{fmt.Errorf("%w: x", errFinding), 1}, {errors.New("anything else"), 1}, {fmt.Errorf("%w: %w", app.ErrUnreachable, os.ErrNotExist), 3},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: got code %d, want %d", c.err, got, c.want)
		}
	}
}

// oneDocument reads all of text as one JSON document.
func oneDocument(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("%q: something stands behind the document", text)
	}
}
