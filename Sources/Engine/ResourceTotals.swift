import Units

/// What each resource has served and could have served, and how long it was wanted, since the totals
/// were last reset.
///
/// Times are counted in picoseconds as Doubles: exact up to 2^53 ps (2.5 hours summed over users),
/// and to 16 digits beyond.
struct ResourceTotals: ~Copyable {
  /// In base units.
  private var served = FlatArray<Double>()
  private var busy = FlatArray<Double>()
  private var claimed = FlatArray<Double>()
  /// When each resource got its first user, where it has one.
  private var busySince = FlatArray<SimTime>()
  /// The integral of the capacity up to the moment of its last change.
  private var offered = FlatArray<Double>()
  private var offeredSince = FlatArray<SimTime>()

  init(resourceCount: Int) {
    busySince.fill(resourceCount, with: .zero)
    reset(resourceCount, at: .zero)
  }

  mutating func reset(at now: SimTime) { reset(served.count, at: now) }

  private mutating func reset(_ count: Int, at now: SimTime) {
    served.fill(count, with: 0)
    busy.fill(count, with: 0)
    claimed.fill(count, with: 0)
    offered.fill(count, with: 0)
    offeredSince.fill(count, with: now)
  }

  /// A resource that was idle gets a user.
  mutating func beginUse(of resource: Int, at now: SimTime) { busySince[resource] = now }

  /// A resource's last user leaves.
  mutating func endUse(of resource: Int, at now: SimTime) {
    busy[resource] += Double((now - busySince[resource]).picoseconds)
  }

  /// A task leaves a resource after `span`, having been served `amount`.
  mutating func add(_ amount: Double, after span: SimTime, to resource: Int) {
    served[resource] += amount
    claimed[resource] += Double(span.picoseconds)
  }

  /// The capacity up to `now` was `old`.
  mutating func endCapacity(_ old: Double, of resource: Int, at now: SimTime) {
    offered[resource] = amountOffered(by: resource, at: now, capacity: old)
    offeredSince[resource] = now
  }

  /// The integral of the capacity since the reset, in base units.
  func amountOffered(by resource: Int, at now: SimTime, capacity: Double) -> Double {
    offered[resource] + capacity * (now - offeredSince[resource]).seconds
  }

  func amountServed(by resource: Int) -> Double { served[resource] }
  var amountsServed: [Double] { served.indices.map { served[$0] } }
  var busySeconds: [Double] { busy.indices.map { busy[$0] * 1e-12 } }
  var claimSeconds: [Double] { claimed.indices.map { claimed[$0] * 1e-12 } }
}
