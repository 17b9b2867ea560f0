package testpeer

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// Versions of the reference that the project measures itself against.
const (
	// Documented is the release that the documentation describes.
	Documented = "1.6.10"
	// Newest is the newest release.
	Newest = "1.26.1"
)

// Versions lists the releases that [Get] can build, oldest first.
func Versions() []string { return []string{Documented, Newest} }

//go:embed files/constraints.txt files/peer_shim.py
var files embed.FS

const (
	constraintsFile = "files/constraints.txt"
	shimFile        = "files/peer_shim.py"
)

// recipe is everything that decides what an environment holds.
type recipe struct {
	// steps are the arguments of successive "pip install" runs. They are separate
	// because the slapos namespace package does not survive being installed by
	// several distributions at once, and because sources need setuptools to build.
	steps [][]string
	// check is Python text that must run without error at the end.
	check string
}

// recipeOf returns the recipe of one release.
func recipeOf(version string) (recipe, error) {
	undeclared, ok := map[string]string{
		Documented: "filelock",
		Newest:     "slapos.libnetworkcache",
	}[version]
	if !ok {
		return recipe{}, fmt.Errorf("unknown version %q of the reference: have %s", version, strings.Join(Versions(), ", "))
	}
	return recipe{
		steps: [][]string{
			{"setuptools==79.0.1", "wheel"},
			{"slapos.core==" + version, undeclared},
			{"zc.buildout==4.1.12", "zc.recipe.egg==3.0.0", "slapos.cookbook", "slapos.recipe.template"},
		},
		check: "import slapos.slap, slapos.grid.slapgrid, slapos.proxy, supervisor, zc.buildout, zc.recipe.egg, slapos.recipe.template; " +
			"import slapos.recipe.request, slapos.recipe.publish, slapos.recipe.wrapper, slapos.recipe.mkdirectory",
	}, nil
}

// fingerprint names the directory of environments built from these recipes: it
// changes with anything that changes what they hold.
func fingerprint(interpreter string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "1 %s\n", interpreter)
	for _, version := range Versions() {
		r, err := recipeOf(version)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %q %q\n", version, r.steps, r.check)
	}
	for _, name := range []string{constraintsFile, shimFile} {
		data, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}
