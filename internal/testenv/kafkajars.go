package testenv

import (
	_ "embed"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed kafka/pom.xml
var kafkaPOM []byte

// kafkaClasspath gives the class path of Apache Kafka, fetching its jars through Maven the first time.
// The folder carries the pom's checksum, so a new version never meets an old one's jars.
func kafkaClasspath() (string, error) {
	run, err := runFolder()
	if err != nil {
		return "", err
	}
	home := filepath.Join(run, "kafka")
	if err := os.MkdirAll(home, 0o777); err != nil {
		return "", err
	}
	one, err := lock(filepath.Join(home, "lock"))
	if err != nil {
		return "", err
	}
	defer one.Close()
	lib := filepath.Join(home, fmt.Sprintf("lib-%08x", crc32.ChecksumIEEE(kafkaPOM)))
	if _, err := os.Stat(lib); err == nil {
		return filepath.Join(lib, "*"), nil
	}
	return filepath.Join(lib, "*"), fetchJars(lib)
}

// fetchJars fills a folder beside lib and renames it, so that lib is whole or absent.
func fetchJars(lib string) error {
	mvn, err := maven.path()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(lib), "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), kafkaPOM, 0o644); err != nil {
		return err
	}
	cmd := exec.Command(mvn, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(work, "lib"))
	cmd.Dir, cmd.SysProcAttr = work, OwnedChild()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetching Kafka through Maven: %w\n%s", err, out)
	}
	return os.Rename(filepath.Join(work, "lib"), lib)
}
