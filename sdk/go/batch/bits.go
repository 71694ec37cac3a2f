package batch

import "math/bits"

// Bits is a bitmap, the least significant bit of each byte first. Where a bitmap may be missing, nil stands for all set.
type Bits []byte

// NewBits is a bitmap of so many bits.
func NewBits(count int, set bool) Bits {
	made := make(Bits, (count+7)/8)
	if set {
		for i := range made {
			made[i] = 0xFF
		}
		made.clearTail(count)
	}
	return made
}

// Get says whether a bit is set; without a bitmap each is.
func (b Bits) Get(i int) bool { return b == nil || b[i>>3]>>(i&7)&1 != 0 }

// Set sets a bit or clears it.
func (b Bits) Set(i int, on bool) {
	if on {
		b[i>>3] |= 1 << (i & 7)
	} else {
		b[i>>3] &^= 1 << (i & 7)
	}
}

// Count is the number of set bits among the first ones.
func (b Bits) Count(count int) int {
	if b == nil {
		return count
	}
	sum := 0
	for i := range count / 8 {
		sum += bits.OnesCount8(b[i])
	}
	for i := count &^ 7; i < count; i++ {
		if b.Get(i) {
			sum++
		}
	}
	return sum
}

func (b Bits) clearTail(count int) {
	if rest := count & 7; rest != 0 && len(b) > count>>3 {
		b[count>>3] &= 1<<rest - 1
	}
}

// take is the bitmap of chosen rows, nil if all of them are set.
func (b Bits) take(rows []uint32) Bits {
	if b == nil {
		return nil
	}
	taken, all := NewBits(len(rows), false), true
	for i, row := range rows {
		on := b.Get(int(row))
		taken.Set(i, on)
		all = all && on
	}
	if all {
		return nil
	}
	return taken
}

// bitBuilder makes a bitmap bit by bit, and none as long as all are set. Its owner counts the bits.
type bitBuilder struct{ bits Bits }

// push appends the bit behind so many others.
func (b *bitBuilder) push(count int, on bool) {
	if b.bits == nil {
		if on {
			return
		}
		b.bits = NewBits(count, true)
	}
	if count&7 == 0 {
		b.bits = append(b.bits, 0)
	}
	b.bits.Set(count, on)
}

func (b *bitBuilder) truncate(count int) {
	if b.bits != nil {
		b.bits = b.bits[:(count+7)/8]
		b.bits.clearTail(count)
	}
}

// finish is nil if all of so many bits are set.
func (b *bitBuilder) finish(count int) Bits {
	if b.bits == nil || b.bits.Count(count) == count {
		return nil
	}
	return b.bits
}
