package compare

import (
	"math/rand/v2"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
)

// BenchmarkAnalyseRuns is TR117's matrix: nine backends, seven scenarios, seven repetitions.
func BenchmarkAnalyseRuns(b *testing.B) {
	noise := rand.New(rand.NewPCG(1, 1))
	c, cells := NewRuns(), cell.NewBuilder()
	for i := range 9 {
		for s := range 7 {
			for rep := range int64(7) {
				r := okRun("backend"+string(rune('a'+i)), "s"+string(rune('0'+s)), rep, (100+10*float64(i/2)+50*float64(s))*(1+0.1*noise.NormFloat64()))
				c.Add(&r)
				cells.AddRun(&r)
			}
		}
	}
	list, err := cells.Cells()
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if _, err := AnalyseRuns(c, list, []record.Cost{}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
