package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// The test's own program is one, too.
func TestWrite(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := write(&out, program); err != nil {
		t.Fatal(err)
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(&out, cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range *bom.Components {
		found = found || c.Name == "github.com/CycloneDX/cyclonedx-go" && c.Version != "" && c.PackageURL != ""
	}
	if !found || bom.Metadata.Component.Name != "github.com/shake-live/shake" {
		t.Errorf("got %+v of %+v, want what this program is made of", bom.Components, bom.Metadata.Component)
	}
	if err := write(&out, "main.go"); err == nil {
		t.Error("a text is taken for a program")
	}
}
