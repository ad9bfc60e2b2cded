package report

import "testing"

func BenchmarkRender(b *testing.B) {
	in := archive(b, "tr119")
	for b.Loop() {
		if _, err := Render(in); err != nil {
			b.Fatal(err)
		}
	}
}
