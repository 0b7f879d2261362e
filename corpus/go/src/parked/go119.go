//go:build !go1.24

package main

const nSelfCleaned = 0

func selfCleaned() {}
