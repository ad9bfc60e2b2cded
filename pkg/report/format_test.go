package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"gonum.org/v1/plot/vg/draw"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

// parse reads an HTML page or fragment.
func parse(tb testing.TB, page []byte) *html.Node {
	tb.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

// fromMarkdown is what a reader of GitHub-flavoured Markdown shows.
func fromMarkdown(tb testing.TB, md []byte) *html.Node {
	tb.Helper()
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(md, &b); err != nil {
		tb.Fatal(err)
	}
	return parse(tb, b.Bytes())
}

// attr is an attribute of a node.
func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// textOf is the text below a node, white space collapsed.
func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// content lists what a page says, piece by piece in reading order from its first section on: headings, paragraphs, items,
// cells, code, and the text that stands for a figure.
func content(root *html.Node) []string {
	var pieces []string
	started := false
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.DataAtom {
		case atom.H2:
			started = true
			fallthrough
		case atom.H3, atom.Li, atom.Th, atom.Td, atom.Caption, atom.Figcaption, atom.Pre:
			pieces = append(pieces, textOf(n))
		case atom.P:
			if img := n.FirstChild; img != nil && img.DataAtom == atom.Img {
				pieces = append(pieces, attr(img, "alt"))
				continue
			}
			pieces = append(pieces, textOf(n))
		case atom.Svg:
			pieces = append(pieces, attr(n, "aria-label"))
		}
		if !started {
			pieces = nil
		}
	}
	return pieces
}

func TestBothFormatsSayTheSame(t *testing.T) {
	for name, in := range map[string]*Inputs{"archive": archive(t, "tr119"), "one backend": cpuOnly(t)} {
		doc := Build(in)
		var md, page bytes.Buffer
		if err := writeMarkdown(&md, doc); err != nil {
			t.Fatal(err)
		}
		if err := writeHTML(&page, doc); err != nil {
			t.Fatal(err)
		}
		fromMD, fromPage := content(fromMarkdown(t, md.Bytes())), content(parse(t, page.Bytes()))
		if len(fromMD) < 1000 {
			t.Errorf("%s: Markdown has %d pieces, want a whole report", name, len(fromMD))
		}
		for i := range min(len(fromMD), len(fromPage)) {
			if fromMD[i] != fromPage[i] {
				t.Fatalf("%s: piece %d: Markdown says %q, HTML %q", name, i, fromMD[i], fromPage[i])
			}
		}
		if len(fromMD) != len(fromPage) {
			t.Errorf("%s: Markdown has %d pieces, HTML %d", name, len(fromMD), len(fromPage))
		}
	}
}

func TestPageAsksNothingOfOthers(t *testing.T) {
	var page bytes.Buffer
	if err := writeHTML(&page, Build(archive(t, "tr119"))); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	root := parse(t, page.Bytes())
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("two elements have the id %q", id)
			}
			ids[id] = true
		}
		for _, key := range []string{"src", "srcset", "xlink:href", "data", "action"} {
			if v := attr(n, key); v != "" {
				t.Errorf("<%s %s=%q> asks for something outside of the page", n.Data, key, v)
			}
		}
		if n.DataAtom == atom.Link || n.DataAtom == atom.Iframe {
			t.Errorf("<%s> asks for something outside of the page", n.Data)
		}
	}
	for n := range root.Descendants() {
		if href := attr(n, "href"); href != "" && !ids[strings.TrimPrefix(href, "#")] {
			t.Errorf("link to %q leads nowhere", href)
		}
	}
	for _, bad := range []string{"url(", "@import", "NaN", "Inf "} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}

func TestMarkdownAnchorsLeadToHeadings(t *testing.T) {
	doc := Build(cpuOnly(t))
	seen := map[string]bool{}
	for _, e := range contents(doc) {
		if seen[e.Anchor] || e.Anchor == "" {
			t.Errorf("heading %q has the anchor %q of another", e.Text, e.Anchor)
		}
		seen[e.Anchor] = true
	}
	if got := slug("4.12 Energy, on-demand (kWh/1M)"); got != "412-energy-on-demand-kwh1m" { // as GitHub makes it
		t.Errorf("saw anchor %q", got)
	}
}

func TestNumbersShowTheirSource(t *testing.T) {
	var page bytes.Buffer
	if err := writeHTML(&page, Build(archive(t, "tr119"))); err != nil {
		t.Fatal(err)
	}
	n := 0
	for td := range parse(t, page.Bytes()).Descendants() {
		if td.DataAtom == atom.Td && attr(td, "class") == "n" && strings.Contains(attr(td, "title"), "parquet") {
			n++
		}
	}
	if n < 1000 {
		t.Errorf("%d cells name their artifact, want at least 1000", n)
	}
	want := `title="cost.parquet: method=tr119, backend=transformers-gpu, mode=prefill, provider=aws_g5_xlarge, tier=on_demand, scenario=batch_short; total_usd_per_1m">0.05846<`
	if !strings.Contains(page.String(), want) {
		t.Errorf("the page lacks %s", want)
	}
}

// small is a document with one block of each kind.
func small() *Document {
	source := &Source{Artifact: "cost.parquet", Row: "backend=a", Column: "total_usd_per_1m", How: "arithmetic mean of 5 rows"}
	doc := &Document{Title: "A <small> report", Blocks: []Block{
		Heading{2, "1 First & last"},
		para("Text with %s, %s and %s.", strong("weight"), code("lat_mean_ms"), Span{Text: "0.1279", Source: source, Estimated: true}),
		list(phrase("one"), phrase("two * three")),
		List{Ordered: true, Items: []Line{phrase("first")}},
		Table{Caption: "A | table", Columns: []Column{{"Backend", false}, {"total_usd", true}},
			Rows:  [][]Line{{phrase("a|b"), {Span{Text: "0.1279", Source: source}}}, {phrase("c_d"), phrase("n/a")}},
			Notes: []Line{phrase("A note.")}},
		Note{Warning, phrase("Careful.")},
		Code{"sh", "bh-report verify report.md"},
		Figure{Name: "prefill_x", Alt: "A dot.", Caption: phrase("Dots"), Drawing: &Drawing{Width: 20, Height: 10, draw: func(c draw.Canvas) {
			c.SetColor(ink)
			c.Fill(c.Path())
		}}},
	}}
	enumerate(doc)
	return doc
}

func TestGolden(t *testing.T) {
	for _, f := range formats {
		var b bytes.Buffer
		if err := f.write(&b, small()); err != nil {
			t.Fatal(err)
		}
		got := b.Bytes()
		if f.name == HTMLFile { // style and script are files of their own
			got = bytes.Replace(bytes.Replace(got, []byte(pageCSS), nil, 1), []byte(pageJS), nil, 1)
		}
		path := filepath.Join("testdata", "small"+filepath.Ext(f.name))
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %s", path, firstDifference(got, want))
		}
	}
}

// TestMarkdownKeepsText holds any text against what a reader of its Markdown shows, in a paragraph and in a table.
func TestMarkdownKeepsText(t *testing.T) {
	alphabet := rapid.SampledFrom([]string{"a", "Z", "7", "_", "*", "**", "`", "``", "|", "\\", "[", "]", "(", ")", "<", ">", "&", "&amp;", "#", "-", "+", "~", "=",
		"!", ".", "1.", " ", " ", "\n", "é", "†", "%s", "<b>", "--", "\"", "'"})
	rapid.Check(t, func(rt *rapid.T) {
		said := strings.Join(rapid.SliceOfN(alphabet, 0, 12).Draw(rt, "text"), "")
		want := strings.Join(strings.Fields(said), " ")
		if want == "" {
			return
		}
		doc := &Document{Title: "T", Blocks: []Block{Heading{2, "H"}, Paragraph{phrase(want)},
			Table{Caption: "c", Columns: []Column{{"x", false}}, Rows: [][]Line{{phrase(want)}, {{code(want)}}}}}}
		var md bytes.Buffer
		if err := writeMarkdown(&md, doc); err != nil {
			rt.Fatal(err)
		}
		got := content(fromMarkdown(t, md.Bytes()))
		if want := []string{"H", want, "Table 0. c", "x", want, want}; !slices.Equal(got, want) {
			rt.Fatalf("saw %q, want %q in:\n%s", got, want, md.String())
		}
	})
}

func TestProseTakesItsSpans(t *testing.T) {
	if got := prose("%s of 95% in %s", word("a"), strong("b")).plain(); got != "a of 95% in b" {
		t.Errorf("saw %q", got)
	}
	for _, f := range []func(){func() { prose("%s") }, func() { prose("x", word("y")) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a pattern that does not fit its spans went through")
				}
			}()
			f()
		}()
	}
}
