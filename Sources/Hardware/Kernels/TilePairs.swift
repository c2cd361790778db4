/// Arithmetic on pairs of tiles: two numbers at a time are what every 64-bit processor's vectors hold,
/// so that a pair costs what one tile does. No branches, and no calls.
typealias Pair = SIMD2<Double>

/// Rounded up, for values from 0 to 2^50; what a division left a billionth above a whole number is
/// that number. Two additions, where a call or a conversion would cost more.
@inline(__always)
func ceiling(_ value: Double) -> Double {
  let value = value - 1e-9
  let nearest = (value + 0x1.8p52) - 0x1.8p52
  return nearest < value ? nearest + 1 : nearest
}

/// Of each of the two.
@inline(__always)
func ceiling(_ value: Pair) -> Pair {
  let value = value - 1e-9
  let nearest = (value + 0x1.8p52) - 0x1.8p52
  return nearest + Pair.zero.replacing(with: 1, where: nearest .< value)
}

/// Rounded down, likewise.
@inline(__always)
func whole(_ value: Double) -> Double {
  let value = value + 1e-9
  let nearest = (value + 0x1.8p52) - 0x1.8p52
  return nearest > value ? nearest - 1 : nearest
}

/// Of each of the two.
@inline(__always)
func whole(_ value: Pair) -> Pair {
  let value = value + 1e-9
  let nearest = (value + 0x1.8p52) - 0x1.8p52
  return nearest - Pair.zero.replacing(with: 1, where: nearest .> value)
}

/// The larger of each two.
@inline(__always)
func larger(_ a: Pair, _ b: Pair) -> Pair { a.replacing(with: b, where: a .< b) }

/// The smaller of each two.
@inline(__always)
func smaller(_ a: Pair, _ b: Pair) -> Pair { a.replacing(with: b, where: b .< a) }
