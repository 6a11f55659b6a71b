//go:build !failpoints

package clock

const offset = 0
