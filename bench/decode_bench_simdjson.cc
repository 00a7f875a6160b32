// The same six columns through simdjson on demand, twice: fields asked for in the order they come,
// its best case, which looks at nothing else; and all fields walked with a check of duplicates and
// of what is skipped, which is nearer to what our decoder does.
#include "bench/decode_bench.h"

#include <simdjson.h>

using namespace simdjson;

namespace {

struct cells {
    int64_t id = 0;
    int64_t total = 0;
    std::string_view customer;
    std::string_view status;
    std::string_view updated;
    std::string_view note;
};

bench_text view(std::string_view s) {
    return bench_text{s.data(), s.size()};
}

bool read_in_order(ondemand::object object, cells &c) {
    return !object["id"].get(c.id) && !object["customer"]["id"].get(c.customer) &&
           !object["total_cents"].get(c.total) && !object["status"].get(c.status) &&
           !object["updated"].get(c.updated) && !object["note"].get(c.note);
}

// One bit a member that was seen; false for a duplicate.
bool first_time(unsigned &seen, unsigned bit) {
    const bool is_first = (seen & bit) == 0;
    seen |= bit;
    return is_first;
}

bool read_customer(ondemand::value value, cells &c) {
    ondemand::object object;
    unsigned seen = 0;
    if (value.get_object().get(object)) {
        return false;
    }
    for (auto field : object) {
        std::string_view key;
        if (field.unescaped_key().get(key)) {
            return false;
        }
        if (key == "id" && (!first_time(seen, 1) || field.value().get(c.customer))) {
            return false;
        }
    }
    return true;
}

bool read_member(std::string_view key, ondemand::value value, unsigned &seen, cells &c) {
    if (key == "id") {
        return first_time(seen, 1) && !value.get(c.id);
    }
    if (key == "customer") {
        return first_time(seen, 2) && read_customer(value, c);
    }
    if (key == "total_cents") {
        return first_time(seen, 4) && !value.get(c.total);
    }
    if (key == "status") {
        return first_time(seen, 8) && !value.get(c.status);
    }
    if (key == "updated") {
        return first_time(seen, 16) && !value.get(c.updated);
    }
    if (key == "note") {
        return first_time(seen, 32) && !value.get(c.note);
    }
    return false;
}

bool read_all(ondemand::object object, cells &c) {
    unsigned seen = 0;
    for (auto field : object) {
        std::string_view key;
        ondemand::value value;
        if (field.unescaped_key().get(key) || field.value().get(value) ||
            !read_member(key, value, seen, c)) {
            return false;
        }
    }
    return true;
}

} // namespace

extern "C" void bench_simdjson(const struct batch *b, struct rows *rows, bool walk_all) {
    ondemand::parser parser;
    const uint32_t count = bench_count(b);
    for (uint32_t i = 0; i < count; i++) {
        const bench_text r = bench_record(b, i);
        ondemand::document doc;
        ondemand::object object;
        cells c;
        if (parser.iterate(r.ptr, r.len, r.len + SIMDJSON_PADDING).get(doc) ||
            doc.get_object().get(object) ||
            !(walk_all ? read_all(object, c) : read_in_order(object, c))) {
            continue;
        }
        bench_row(rows, i, c.id, view(c.customer), c.total, view(c.status), view(c.updated),
                  view(c.note));
    }
}
