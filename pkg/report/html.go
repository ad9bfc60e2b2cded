package report

import (
	"bytes"
	_ "embed" // the page's style and script
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"
)

func init() { registerFormat(format{HTMLFile, writeHTML}) }

// pageCSS is the style of the page: light and dark, phone and print.
//
//go:embed page.css
var pageCSS string

// pageJS lets a reader walk a table's numbers with the arrow keys and shows where the number under the focus came from.
// The page is whole without it: the same text is each number's title.
//
//go:embed page.js
var pageJS string

// writeHTML renders the document as one self-contained page: style, script and figures are in it, and it asks nothing of
// any other host.
func writeHTML(w io.Writer, doc *Document) error {
	var b bytes.Buffer
	title := html.EscapeString(doc.Title)
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>%s</title>
<style>
%s</style>
</head>
<body>
<a class="skip" href="#content">Skip to the report</a>
<header><h1>%s</h1></header>
<div class="layout">
`, title, pageCSS, title)
	entries := contents(doc)
	htmlContents(&b, entries)
	b.WriteString("<main id=\"content\">\n")
	for _, block := range doc.Blocks {
		if h, ok := block.(Heading); ok {
			fmt.Fprintf(&b, "<h%d id=\"%s\">%s</h%[1]d>\n", h.Level, entries[0].Anchor, html.EscapeString(h.Text))
			entries = entries[1:]
			continue
		}
		if err := htmlBlock(&b, block); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "</main>\n</div>\n<div id=\"source\" role=\"status\" hidden></div>\n<script>\n%s</script>\n</body>\n</html>\n", pageJS)
	_, err := w.Write(b.Bytes())
	return err
}

// htmlContents is the table of contents: a column of its own on wide screens, folded on narrow ones.
func htmlContents(b *bytes.Buffer, entries []entry) {
	b.WriteString("<nav aria-label=\"Contents\"><details open><summary>Contents</summary>\n<ul>\n")
	level := 2
	for i, e := range entries {
		switch {
		case i > 0 && e.Level > level:
			b.WriteString("\n<ul>\n")
		case i > 0 && e.Level < level:
			b.WriteString("</li>\n</ul></li>\n")
		case i > 0:
			b.WriteString("</li>\n")
		}
		level = e.Level
		fmt.Fprintf(b, `<li><a href="#%s">%s</a>`, e.Anchor, html.EscapeString(e.Text))
	}
	if len(entries) > 0 {
		b.WriteString("</li>\n")
	}
	if level > 2 {
		b.WriteString("</ul></li>\n")
	}
	b.WriteString("</ul>\n</details></nav>\n")
}

func htmlBlock(b *bytes.Buffer, block Block) error {
	switch v := block.(type) {
	case Paragraph:
		fmt.Fprintf(b, "<p>%s</p>\n", htmlLine(v.Text))
	case List:
		tag := "ul"
		if v.Ordered {
			tag = "ol"
		}
		fmt.Fprintf(b, "<%s>\n", tag)
		for _, item := range v.Items {
			fmt.Fprintf(b, "<li>%s</li>\n", htmlLine(item))
		}
		fmt.Fprintf(b, "</%s>\n", tag)
	case Table:
		htmlTable(b, v)
	case Figure:
		return htmlFigure(b, v)
	case Note:
		fmt.Fprintf(b, "<aside class=\"note %s\"><p><strong>%s.</strong> %s</p></aside>\n",
			strings.ToLower(string(v.Kind)), v.Kind, htmlLine(v.Text))
	case Code:
		fmt.Fprintf(b, "<pre tabindex=\"0\"><code>%s\n</code></pre>\n", html.EscapeString(strings.TrimRight(v.Text, "\n")))
	}
	return nil
}

func htmlTable(b *bytes.Buffer, t Table) {
	caption := html.EscapeString(t.Caption)
	fmt.Fprintf(b, "<div class=\"table\" role=\"region\" aria-label=\"Table %d. %s\" tabindex=\"0\"><table>\n<caption><span><strong>Table %[1]d.</strong> %[2]s</span></caption>\n<thead><tr>",
		t.Number, caption)
	for _, c := range t.Columns {
		fmt.Fprintf(b, "<th scope=\"col\"%s>%s</th>", numClass(c), breakable(html.EscapeString(c.Name)))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range t.Rows {
		b.WriteString("<tr>")
		for i, cell := range row {
			fmt.Fprintf(b, "<td%s%s>%s</td>", cellClass(t.Columns[i], cell), cellSource(cell), htmlCell(t.Columns[i], cell))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody>\n</table></div>\n")
	for _, note := range t.Notes {
		fmt.Fprintf(b, "<p class=\"tablenote\">%s</p>\n", htmlLine(note))
	}
}

func numClass(c Column) string {
	if c.Numeric {
		return ` class="n"`
	}
	return ""
}

// longText is the number of bytes from which on the text of a cell is broken into lines.
const longText = 36

func cellClass(c Column, cell Line) string {
	if !c.Numeric && len(cell.plain()) >= longText {
		return ` class="long"`
	}
	return numClass(c)
}

// breakable lets a long column name break after its underscores.
func breakable(s string) string { return strings.ReplaceAll(s, "_", "_<wbr>") }

// cellSource is the title of a cell that is one number: where it came from. The whole cell answers to the pointer, which
// is easier to hit than four digits.
func cellSource(cell Line) string {
	if len(cell) != 1 || cell[0].Source == nil {
		return ""
	}
	return sourceTitle(cell[0])
}

func sourceTitle(s Span) string {
	title := s.Source.String()
	if s.Estimated {
		title += "; estimated (grade D)"
	}
	return fmt.Sprintf(` title="%s"`, html.EscapeString(title))
}

// htmlCell is htmlLine for a cell whose only number has its source on the cell. Labels break after underscores, where a narrow
// page lets them.
func htmlCell(c Column, cell Line) string {
	if len(cell) == 1 && cell[0].Source != nil {
		bare := cell[0]
		bare.Source = nil
		return htmlLine(Line{bare})
	}
	if len(cell) == 1 && cell[0].Style == Plain && !c.Numeric && !cell[0].Estimated {
		return breakable(html.EscapeString(cell[0].Text))
	}
	return htmlLine(cell)
}

func htmlLine(line Line) string {
	var b strings.Builder
	for _, s := range line {
		content := html.EscapeString(s.Text)
		if s.Estimated {
			content += `<span class="est">` + EstimateMark + `</span>`
		}
		switch s.Style {
		case Strong:
			content = "<strong>" + content + "</strong>"
		case Literal:
			content = "<code>" + breakable(content) + "</code>"
		case Plain:
		}
		if s.Source != nil {
			content = fmt.Sprintf(`<span class="num" tabindex="-1"%s>%s</span>`, sourceTitle(s), content)
		}
		b.WriteString(content)
	}
	return b.String()
}

// svgRoot is the opening tag of a figure's SVG file with all that precedes it.
var svgRoot = regexp.MustCompile(`(?s)^.*?<svg width="[^"]*" height="[^"]*" viewBox="0 0 ([^ "]*) [^"]*"`)

// htmlFigure puts the SVG into the page. Its width becomes the widest it is shown at; narrower pages shrink it.
func htmlFigure(b *bytes.Buffer, f Figure) error {
	svg, err := f.Drawing.SVG()
	if err != nil {
		return fmt.Errorf("figure %s: %w", f.Name, err)
	}
	parts := svgRoot.FindSubmatchIndex(svg)
	if parts == nil {
		return fmt.Errorf("figure %s: the SVG does not open as expected", f.Name)
	}
	box := svg[bytes.Index(svg, []byte("viewBox")):parts[1]]
	fmt.Fprintf(b, "<figure id=\"fig-%s\"><div class=\"drawing\" tabindex=\"0\"><svg role=\"img\" aria-label=\"%s\" %s %s</div>\n<figcaption><strong>Figure %d.</strong> %s</figcaption></figure>\n",
		f.Name, html.EscapeString(f.Alt), box, bytes.TrimSpace(svg[parts[1]:]), f.Number, htmlLine(f.Caption))
	return nil
}
