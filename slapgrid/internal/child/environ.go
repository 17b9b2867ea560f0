package child

import (
	"slices"
	"strings"
)

// removed are the variables of the agent that no child may see: they change
// how interpreters, shells and locales behave.
var removed = strings.Fields(`
	PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONY2K PYTHONOPTIMIZE PYTHONDEBUG
	PYTHONDONTWRITEBYTECODE PYTHONINSPECT PYTHONUNBUFFERED PYTHONVERBOSE
	CONFIG_SITE ENV LOGNAME TEMP TMP TMPDIR
	LANG LANGUAGE LC_ADDRESS LC_COLLATE LC_CTYPE LC_IDENTIFICATION LC_MEASUREMENT
	LC_MESSAGES LC_MONETARY LC_NAME LC_NUMERIC LC_PAPER LC_SOURCED LC_TELEPHONE LC_TIME`)

// CleanEnviron returns the environment without the variables that disturb
// programs, with HOME, PYTHONNOUSERSITE and more set. LC_ALL is kept.
func CleanEnviron(environ []string, home string, more ...string) []string {
	set := append([]string{"HOME=" + home, "PYTHONNOUSERSITE=true"}, more...)
	out := make([]string, 0, len(environ)+len(set))
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.Contains(removed, name) && !defines(set, name) {
			out = append(out, entry)
		}
	}
	return append(out, set...)
}

// Lookup returns the value of a variable, or an empty text.
func Lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(environ[i], "="); ok && key == name {
			return value
		}
	}
	return ""
}

func defines(environ []string, name string) bool {
	for _, entry := range environ {
		if key, _, _ := strings.Cut(entry, "="); key == name {
			return true
		}
	}
	return false
}
