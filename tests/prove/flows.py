"""Flows to prove, as test data: each is its tables and transforms; the sources are shared.

RIGHT hold law 3 and must pass; WRONG break it, and name the transform at fault and a trial that shows it.
"""
SOURCES = """
  orders:
    type: file
    path: ${DATA}/orders-*.jsonl
    columns: {id: {type: int64, required: true}, customer: {type: text, required: true}, cents: {type: int64, min: 0},
              status: text, at: {type: timestamp, required: true}, version: {type: int64, required: true}, items: json,
              wei: int256, price: float64, shop: text, way: text}
"""
PEOPLE = """
  people:
    type: file
    path: ${DATA}/people-*.csv
    columns: {id: {type: text, required: true}, name: text, country: text, mentor: text, seen: int64}
"""
HITS = """
  hits:
    type: file
    path: ${DATA}/hits.log
    format: lines
    pattern: ^(?<at>\\d+) (?<who>\\w+) (?<path>\\S+) (?<bytes>\\d+)$
    columns: {at: int64, who: text, path: text, bytes: {type: int64, max: 900}}
"""
ORDERS_TABLE = """
  orders:
    key: [id]
    columns: {id: int64, customer: text, cents: int64, status: text, version: int64}
    indexes: [[customer]]
"""
ORDERS = """
  orders:
    from: sources.orders
    into: orders
    latest_by: version
    sql: SELECT id, customer, cents, status, version FROM batch
"""
PEOPLE_TABLE = """
  people:
    key: [id]
    columns: {id: text, name: text, country: text, mentor: text, seen: int64}
    indexes: [[country], [mentor]]
"""
PEOPLE_MAP = """
  people:
    from: sources.people
    into: people
    latest_by: seen
    sql: SELECT id, name, country, mentor, seen FROM batch
"""


def flow(tables, transforms, sources=SOURCES):
    return f"flow: proved\nstore: sqlite:proved.db\nsources:{sources}tables:{tables}transforms:{transforms}"


RIGHT = {
    "newest-state": flow(ORDERS_TABLE, ORDERS),
    "log": flow("""
  log: {key: auto, columns: {id: int64, status: text}, lineage: true}
""", """
  log: {from: orders, into: log, sql: "SELECT id, status FROM batch"}
"""),
    "deleted-when": flow(ORDERS_TABLE, ORDERS + "    delete_when: status = 'void'\n"),
    "many-items": flow("""
  items: {key: [id, line], columns: {id: int64, line: int64, sku: text, pieces: int64, version: int64}}
""", """
  items:
    from: orders
    into: items
    many: true
    latest_by: version
    sql: |
      SELECT b.id, i.key AS line, i.value ->> 'sku' AS sku, i.value ->> 'n' AS pieces, b.version
      FROM batch b CROSS JOIN json_each(b.items) i
"""),
    "reference": flow("""
  regions: {key: [country], columns: {country: text, region: text}}
  people: {key: [id], columns: {id: text, region: text, seen: int64}}
""", """
  people:
    from: sources.people
    into: people
    latest_by: seen
    sql: |
      SELECT b.id, r.region, b.seen FROM batch b LEFT JOIN regions r ON r.country = b.country
""", PEOPLE),
    "counts": flow(ORDERS_TABLE + """
  customers: {key: [customer], columns: {customer: text, orders: int64, cents: int64}}
""", ORDERS + """
  customers:
    from: tables.orders
    into: customers
    sum: SELECT customer, 1 AS orders, coalesce(cents, 0) AS cents FROM change WHERE status = 'paid'
"""),
    "distinct": flow(ORDERS_TABLE + """
  pairs: {key: [customer, status], columns: {customer: text, status: text, n: int64}}
  statuses: {key: [status], columns: {status: text, customers: int64}}
""", ORDERS + """
  pairs: {from: tables.orders, into: pairs, sum: "SELECT customer, status, 1 AS n FROM change WHERE status IS NOT NULL"}
  statuses: {from: pairs, into: statuses, sum: "SELECT status, 1 AS customers FROM change"}
"""),
    "balances": flow("""
  moves: {key: [id], columns: {id: int64, customer: text, shop: text, wei: int256, version: int64}}
  balances: {key: [holder], columns: {holder: text, wei: int256}}
""", """
  moves: {from: orders, into: moves, latest_by: version, sql: "SELECT id, customer, shop, wei, version FROM batch WHERE wei IS NOT NULL"}
  balances:
    from: tables.moves
    into: balances
    sum: |
      SELECT shop AS holder, wei FROM change
      UNION ALL SELECT customer AS holder, i256_neg(wei) AS wei FROM change
"""),
    "join": flow(ORDERS_TABLE + PEOPLE_TABLE + """
  spent: {key: [customer], columns: {customer: text, orders: int64, cents: int64}}
  vips: {key: [customer], columns: {customer: text, name: text, tier: text, mean: int64}}
""", ORDERS + PEOPLE_MAP + """
  spent: {from: tables.orders, into: spent, sum: "SELECT customer, 1 AS orders, coalesce(cents, 0) AS cents FROM change"}
  vips:
    on: {spent: [customer], people: [id]}
    into: vips
    derive: |
      SELECT s.customer, p.name, CASE WHEN s.cents > 900 THEN 'gold' ELSE 'silver' END AS tier, s.cents / s.orders AS mean
      FROM changed k JOIN spent s ON s.customer = k.customer JOIN people p ON p.id = k.customer
""", SOURCES + PEOPLE),
    "keys-by-sql": flow(PEOPLE_TABLE + """
  mentors: {key: [id], columns: {id: text, mentor_name: text}}
""", PEOPLE_MAP + """
  mentors:
    on:
      people: SELECT id FROM change UNION SELECT p.id FROM change c JOIN people p ON p.mentor = c.id
    into: mentors
    derive: |
      SELECT p.id, m.name AS mentor_name FROM changed k JOIN people p ON p.id = k.id JOIN people m ON m.id = p.mentor
""", PEOPLE),
    "newest-of-key": flow(ORDERS_TABLE + """
  last: {key: [customer], columns: {customer: text, id: int64, most: int64}}
""", ORDERS + """
  last:
    on: {orders: [customer]}
    into: last
    derive: |
      SELECT k.customer, (SELECT id FROM orders o WHERE o.customer = k.customer ORDER BY version DESC, id DESC LIMIT 1) AS id,
             (SELECT max(cents) FROM orders o WHERE o.customer = k.customer) AS most
      FROM changed k WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer = k.customer)
"""),
    "window": flow(ORDERS_TABLE + """
  ranks: {key: [customer, id], columns: {customer: text, id: int64, place: int64}}
""", ORDERS + """
  ranks:
    on: {orders: [customer]}
    into: ranks
    derive: |
      SELECT o.customer, o.id, row_number() OVER (PARTITION BY o.customer ORDER BY o.cents DESC, o.id) AS place
      FROM changed k JOIN orders o ON o.customer = k.customer
"""),
    "csv": flow(PEOPLE_TABLE, PEOPLE_MAP, PEOPLE),
    "lines": flow("""
  hits: {key: auto, columns: {who: text, path: text, bytes: int64}}
  traffic: {key: [path], columns: {path: text, hits: int64, bytes: int64}}
""", """
  hits: {from: sources.hits, into: hits, sql: "SELECT who, path, bytes FROM batch WHERE path <> '/health'"}
  traffic: {from: tables.hits, into: traffic, sum: "SELECT path, 1 AS hits, bytes FROM change"}
""", HITS),
    "two-maps": flow("""
  seen: {key: [who], columns: {who: text, what: text, at: int64, source: text}}
""", """
  from-orders: {from: orders, into: seen, latest_by: [at, source, what], sql: "SELECT customer AS who, 'order' AS what, version AS at, 'o' AS source FROM batch"}
  from-people: {from: people, into: seen, latest_by: [at, source, what], sql: "SELECT id AS who, name AS what, seen AS at, 'p' AS source FROM batch"}
""", SOURCES + PEOPLE),
    "derive-of-derive": flow(PEOPLE_TABLE + """
  countries: {key: [country], columns: {country: text, people: int64, first: text}}
  sizes: {key: [people], columns: {people: int64, countries: int64}}
""", PEOPLE_MAP + """
  countries:
    on: {people: [country]}
    into: countries
    derive: |
      SELECT k.country, count(*) AS people, min(p.name) AS first
      FROM changed k JOIN people p ON p.country = k.country GROUP BY k.country
  sizes:
    on: {countries: [people]}
    into: sizes
    derive: SELECT k.people, count(*) AS countries FROM changed k JOIN countries c ON c.people = k.people GROUP BY k.people
""", PEOPLE),
    "json-and-floats": flow("""
  raw: {key: [id], columns: {id: int64, items: json, price: float64, gross: float64, at: timestamp, version: int64}, lineage: true}
""", """
  raw: {from: orders, into: raw, latest_by: version, sql: "SELECT id, items, price, price * 1.2 AS gross, at, version FROM batch"}
"""),
    "hours": flow("""
  orders: {key: [id], columns: {id: int64, hour: text, cents: int64, version: int64}}
  hours: {key: [hour], columns: {hour: text, orders: int64, cents: int64}}
""", """
  orders:
    from: sources.orders
    into: orders
    latest_by: version
    sql: SELECT id, strftime('%Y-%m-%dT%H', at / 1000000, 'unixepoch') AS hour, cents, version FROM batch
  hours: {from: tables.orders, into: hours, sum: "SELECT hour, 1 AS orders, coalesce(cents, 0) AS cents FROM change"}
"""),
    "states-kept": flow("""
  states: {key: [id, version], columns: {id: int64, version: int64, status: text, cents: int64}}
""", """
  states: {from: orders, into: states, sql: "SELECT id, version, status, cents FROM batch"}
"""),
    "one-file-in-order": flow("""
  last_hit: {key: [who], columns: {who: text, path: text, at: int64}}
""", """
  last_hit: {from: hits, into: last_hit, sql: "SELECT who, path, at FROM batch"}
""", HITS),
    "two-columns-order": flow(PEOPLE_TABLE, PEOPLE_MAP.replace("latest_by: seen", "latest_by: [seen, name]"), PEOPLE),
    "rejects": flow("""
  doubled: {key: [id], columns: {id: int64, huge: int64, version: int64}}
""", """
  doubled: {from: orders, into: doubled, latest_by: version, sql: "SELECT id, i256_to_int(wei) AS huge, version FROM batch"}
"""),
}

# name: (flow, transform at fault, trials of which one shows it)
WRONG = {
    "no-order": (flow(PEOPLE_TABLE, PEOPLE_MAP.replace("    latest_by: seen\n", ""), PEOPLE), "people", {"partitions", "alternate"}),
    "ties": (flow(PEOPLE_TABLE, PEOPLE_MAP.replace("latest_by: seen", "latest_by: country"), PEOPLE), "people", {"partitions", "alternate"}),
    "short-key": (flow("""
  orders: {key: [customer], columns: {customer: text, id: int64, cents: int64}}
""", """
  orders: {from: sources.orders, into: orders, sql: "SELECT customer, id, cents FROM batch"}
"""), "orders", {"partitions", "alternate"}),
    "forgotten-keys": (flow(PEOPLE_TABLE + """
  mentors: {key: [id], columns: {id: text, mentor_name: text}}
""", PEOPLE_MAP + """
  mentors:
    on: {people: [id]}
    into: mentors
    derive: |
      SELECT p.id, m.name AS mentor_name FROM changed k JOIN people p ON p.id = k.id JOIN people m ON m.id = p.mentor
""", PEOPLE), "mentors", {"apart", "recompute", "retract", "joined", "split-1", "split-7"}),
    "counts-its-company": (flow(ORDERS_TABLE + """
  company: {key: [customer], columns: {customer: text, others: int64}}
""", ORDERS + """
  company:
    on: {orders: [customer]}
    into: company
    derive: SELECT k.customer, (SELECT count(*) FROM changed) AS others FROM changed k
"""), "company", {"apart", "joined", "split-1", "split-7"}),
    "no-tie-break": (flow(ORDERS_TABLE + """
  some: {key: [customer], columns: {customer: text, id: int64}}
""", ORDERS + """
  some:
    on: {orders: [customer]}
    into: some
    derive: |
      SELECT k.customer, (SELECT o.id FROM orders o WHERE o.customer = k.customer AND o.status = 'paid' LIMIT 1) AS id FROM changed k
"""), "some", {"reversed"}),
    "adds-floats": (flow("""
  prices: {key: [id], columns: {id: int64, shop: text, price: float64, version: int64}}
  shops: {key: [shop], columns: {shop: text, price: float64}}
""", """
  prices: {from: orders, into: prices, latest_by: version, sql: "SELECT id, shop, price, version FROM batch WHERE shop IS NOT NULL"}
  shops:
    on: {prices: [shop]}
    into: shops
    derive: SELECT k.shop, sum(p.price) AS price FROM changed k JOIN prices p ON p.shop = k.shop GROUP BY k.shop
"""), "shops", {"reversed"}),
    "local-time": (flow("""
  days: {key: [id], columns: {id: int64, day: text, version: int64}}
""", """
  days: {from: orders, into: days, latest_by: version, sql: "SELECT id, date(at / 1000000, 'unixepoch', way) AS day, version FROM batch"}
"""), "days", {"zone"}),
    "far-below": (flow(ORDERS_TABLE + PEOPLE_TABLE + """
  spent: {key: [customer], columns: {customer: text, orders: int64}}
  countries: {key: [country], columns: {country: text, orders: int64}}
  total: {key: [one], columns: {one: int64, orders: int64}}
""", ORDERS + PEOPLE_MAP + """
  spent: {from: tables.orders, into: spent, sum: "SELECT customer, 1 AS orders FROM change"}
  countries:
    on: {people: [country], spent: SELECT p.country FROM change c JOIN people p ON p.id = c.customer WHERE c.orders > 3}
    into: countries
    derive: |
      SELECT k.country, sum(s.orders) AS orders FROM changed k JOIN people p ON p.country = k.country
      JOIN spent s ON s.customer = p.id GROUP BY k.country
  total: {from: countries, into: total, sum: "SELECT 1 AS one, orders FROM change"}
""", SOURCES + PEOPLE), "countries", {"apart", "recompute", "retract", "joined", "split-1", "split-7"}),
}

# What needs no run: name: (flow, a word of the message). With the transform's place.
REFUSED = {
    "now": (RIGHT["newest-state"].replace("status, version FROM", "datetime('now') AS status, version FROM"), "depends on when it runs"),
    "random": (RIGHT["newest-state"].replace("cents, status, version FROM", "random() AS cents, status, version FROM"), "random"),
    "float-sum": (RIGHT["counts"].replace("cents: int64}}", "cents: float64}}"), "float64"),
    "reads-changing": (RIGHT["counts"].replace(
        "sql: SELECT id, customer, cents, status, version FROM batch",
        "sql: SELECT b.id, b.customer, c.cents, b.status, b.version FROM batch b LEFT JOIN customers c ON c.customer = b.customer"),
        "customers"),
    "batch-boundary": (RIGHT["newest-state"].replace("cents, status, version FROM", "row_number() OVER () AS cents, status, version FROM"),
                       "come together by chance"),
    "batch-aggregate": (RIGHT["newest-state"].replace("cents, status, version FROM",
                                                      "(SELECT count(*) FROM batch) AS cents, status, version FROM"), "batch"),
    "joined-text": (RIGHT["derive-of-derive"].replace("min(p.name)", "group_concat(p.name)"), "group_concat"),
}
