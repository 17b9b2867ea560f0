package supervise

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxConfigFile bounds one configuration file, in bytes.
const maxConfigFile = 16 << 20

// errSyntax is wrapped by errors about text that is no configuration file.
var errSyntax = errors.New("not a configuration file")

// section is one [section] with its options in lower case.
type section struct {
	name    string
	file    string // where it was first seen
	here    string // directory of that file
	options map[string]string
}

// document is the sections of all configuration files, in order of appearance.
type document struct {
	sections []*section
	byName   map[string]*section
}

func newDocument() *document { return &document{byName: map[string]*section{}} }

func (d *document) section(name string) *section { return d.byName[name] }

// readFile merges one file into the document. Later values replace earlier ones.
func (d *document) readFile(path, here string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: maxConfigFile + 1}
	err = d.read(limited, path, here)
	if limited.N <= 0 { // its end is missing
		err = fmt.Errorf("%w: more than %d bytes", errSyntax, maxConfigFile)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// read merges text in the dialect that supervisord gives to Python's parser:
// "=" or ":" between option and value, continuation lines indented deeper than
// their option, comment lines with "#" or ";", and comments after a blank.
func (d *document) read(r io.Reader, file, here string) error {
	p := iniParser{doc: d, file: file, here: here}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.line++
		if err := p.parse(lines.Text()); err != nil {
			return fmt.Errorf("line %d: %w", p.line, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", p.line+1, err)
	}
	p.flush()
	return nil
}

// iniParser is the state between two lines.
type iniParser struct {
	doc        *document
	file, here string
	line       int

	current *section
	option  string // whose value may continue
	indent  int    // of that option
	value   []string
}

func (p *iniParser) parse(line string) error {
	text := strings.TrimSpace(stripComment(line))
	if text == "" {
		if p.option != "" && strings.TrimSpace(line) == "" {
			p.value = append(p.value, "") // an empty line may belong to a value
		}
		return nil
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	if p.option != "" && indent > p.indent {
		p.value = append(p.value, text)
		return nil
	}
	p.flush()
	if strings.HasPrefix(text, "[") {
		return p.header(text)
	}
	return p.assign(text, indent)
}

func (p *iniParser) header(text string) error {
	end := strings.LastIndexByte(text, ']')
	if end < 2 {
		return fmt.Errorf("%w: section header %q", errSyntax, text)
	}
	name := text[1:end]
	p.current = p.doc.byName[name]
	if p.current == nil {
		p.current = &section{name: name, file: p.file, here: p.here, options: map[string]string{}}
		p.doc.byName[name] = p.current
		p.doc.sections = append(p.doc.sections, p.current)
	}
	return nil
}

func (p *iniParser) assign(text string, indent int) error {
	cut := strings.IndexAny(text, "=:")
	switch {
	case p.current == nil:
		return fmt.Errorf("%w: %q stands before the first section", errSyntax, text)
	case cut < 1:
		return fmt.Errorf("%w: %q is no assignment", errSyntax, text)
	}
	p.option = strings.ToLower(strings.TrimSpace(text[:cut]))
	p.indent = indent
	p.value = append(p.value[:0], strings.TrimSpace(text[cut+1:]))
	return nil
}

// flush stores the value that is complete now.
func (p *iniParser) flush() {
	if p.option != "" {
		p.current.options[p.option] = strings.TrimRight(strings.Join(p.value, "\n"), "\n")
		p.option = ""
	}
}

// stripComment cuts a line at the first "#" or ";" that begins it or follows a blank.
func stripComment(line string) string {
	for i := range len(line) {
		if line[i] != '#' && line[i] != ';' {
			continue
		}
		if i == 0 || line[i-1] == ' ' || line[i-1] == '\t' {
			return line[:i]
		}
	}
	return line
}
