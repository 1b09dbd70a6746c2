package acpi

// SLIT is the system locality information table: the distances between domains, 10
// for a domain from itself ("System Locality Information Table (SLIT)").
type SLIT struct {
	Localities int     `json:"localities"`
	Distances  []uint8 `json:"-"` // row by row
}

const (
	slitMatrix    = headerLength + 8
	slitItself    = 10
	slitReserved  = 10 // below
	maxLocalities = 4096
)

// Distance returns how far domain to is from domain from, both below Localities.
func (s *SLIT) Distance(from, to int) uint8 { return s.Distances[from*s.Localities+to] }

// Matrix returns the distances as rows.
func (s *SLIT) Matrix() [][]int {
	rows := make([][]int, s.Localities)
	for i := range rows {
		rows[i] = make([]int, s.Localities)
		for j := range rows[i] {
			rows[i][j] = int(s.Distance(i, j))
		}
	}
	return rows
}

// ParseSLIT decodes a table whose header has been checked. The table may be longer
// than its matrix. A wrong matrix is an error: a distance below 10, or a domain
// that is not 10 from itself.
func ParseSLIT(t Table) (*SLIT, error) {
	b, err := body(t, "SLIT", slitMatrix)
	if err != nil {
		return nil, err
	}
	n := u64(b[headerLength:])
	if n == 0 || n > maxLocalities || n*n > uint64(len(b)-slitMatrix) {
		return nil, &TableError{"SLIT", headerLength, ErrLength}
	}
	s := &SLIT{Localities: int(n), Distances: append([]uint8(nil), b[slitMatrix:slitMatrix+n*n]...)}
	for i, d := range s.Distances {
		if d < slitReserved || i%(s.Localities+1) == 0 && d != slitItself {
			return nil, &TableError{"SLIT", slitMatrix + i, ErrValue}
		}
	}
	return s, nil
}
