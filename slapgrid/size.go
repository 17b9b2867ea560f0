package slapgrid

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the powers of 1024 that a unit of a size stands for; the
// decimal-looking families mean the same as the binary ones.
var sizeUnits = func() map[string]int {
	units := map[string]int{"": 0, "B": 0, "byte": 0, "Bi": 0, "k": 1}
	for i, letter := range strings.Split("KMGTPEZY", "") {
		for _, unit := range []string{letter, letter + "B", letter + "i"} {
			units[unit] = i + 1
		}
	}
	for i, word := range strings.Fields("kilo mega giga tera peta exa zetta iotta") {
		units[word] = i + 1
	}
	for i, word := range strings.Fields("kibi mebi gibi tebi pebi exbi zebi yobi") {
		units[word] = i + 1
	}
	return units
}()

// ParseSize reads a size such as "1000M" or "0.5 kilo". All units are powers
// of 1024; the result is cut to whole bytes. What does not fit in 63 bits is
// held to the largest number.
func ParseSize(text string) (int64, error) {
	s := strings.TrimSpace(text)
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
		end++
	}
	number, err := strconv.ParseFloat(s[:end], 64)
	power, known := sizeUnits[strings.TrimSpace(s[end:])]
	if err != nil || !known {
		return 0, fmt.Errorf("can't interpret '%s'", text)
	}
	bytes := number * math.Pow(1024, float64(power))
	if bytes >= math.MaxInt64 {
		return math.MaxInt64, nil
	}
	return int64(bytes), nil
}

// formatSize prints a size as messages do: one decimal, a blank, the unit.
func formatSize(n int64) string {
	value := float64(n)
	units := []string{"", "KB", "MB", "GB", "TB", "PB", "EB"}
	i := 0
	for ; value >= 1024 && i < len(units)-1; i++ {
		value /= 1024
	}
	return fmt.Sprintf("%.1f %s", value, units[i])
}
