/// What decides how long a layer's exchange takes: copies of tokens over the busiest ports, in dispatch;
/// in combine as many go the other way.
///
/// Or, as the factors of such numbers, the seconds that each of them takes.
struct HomeLoad {
  /// Over a group's port in its node: of tokens of that node, of others that are passed on there, and of
  /// both, which need not be the same port's.
  var own = 0.0
  var passedOn = 0.0
  var inside = 0.0
  /// Over a group's way to other nodes.
  var across = 0.0

  /// The sum over all numbers of one times the other.
  static func * (one: HomeLoad, other: HomeLoad) -> Double {
    one.own * other.own + one.passedOn * other.passedOn + one.inside * other.inside
      + one.across * other.across
  }

  static func += (one: inout HomeLoad, other: HomeLoad) {
    one.own += other.own
    one.passedOn += other.passedOn
    one.inside += other.inside
    one.across += other.across
  }
}
