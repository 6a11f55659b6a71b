// Package shake is the backend of promo mini-games during livestreams; see README.md. The program is cmd/shake.
package shake
