// Package runtime is what the generated bindings need at run time. See the README one folder up for where it comes from.
package runtime

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Handle is a resource of the host.
type Handle struct{ value int32 }

// Use is the handle's number.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("a resource of the host is used after it was closed")
	}
	return h.value
}

// Take gives the handle away.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// Set is for a handle that comes back.
func (h *Handle) Set(value int32) {
	if value == 0 || h.value != 0 {
		panic("a resource of the host is set twice")
	}
	h.value = value
}

// TakeOrNil is Take, or 0 if it was given away before.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}

// MakeHandle is a handle with a number.
func MakeHandle(value int32) *Handle {
	if value == 0 {
		panic("the host has handed over a resource that is none")
	}
	return &Handle{value}
}

// Allocate takes memory from Go's heap that stays where it is until the pinner is released.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	if size%align != 0 {
		panic(fmt.Sprintf("size %v is not compatible with alignment %v", size, align))
	}
	var pointer unsafe.Pointer
	switch align {
	case 1:
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint8, size)))
	case 2:
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint16, size/align)))
	case 4:
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint32, size/align)))
	case 8:
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint64, size/align)))
	default:
		panic(fmt.Sprintf("unsupported alignment: %v", align))
	}
	pinner.Pin(pointer)
	return pointer
}
