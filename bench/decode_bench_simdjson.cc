// The same six columns through simdjson's on-demand API, twice.
//
// "fields" asks for the six fields in the order they come. That is simdjson's best case: it looks at
// nothing else, notices no duplicate, and its texts are gone with the next record.
//
// "whole" does what our decoder promises: every member is looked at; what is skipped is walked, with
// its numbers, escapes and literals checked and its depth bounded; duplicates in the record and in
// customer are found; the kind of every field is noted, declared or not; integers are exact; text
// cells outlive the record and hold no NUL; absent columns are NULL; rows are committed one by one.
// It is written to be fast: keys are compared with the key that came there in the record before,
// as ours are, and strings without a backslash stay where they are.
#include "bench/decode_bench.h"

#include <cstring>
#include <deque>
#include <string>
#include <unordered_map>

#include <simdjson.h>

using namespace simdjson;

namespace {

constexpr int depth_max = 64;
constexpr unsigned kind_string = 1, kind_integer = 2, kind_number = 4, kind_bool = 8,
                   kind_object = 16, kind_array = 32, kind_null = 64;
constexpr int no_column = -1, customer_object = -2;

bench_text view(std::string_view s) {
    return bench_text{s.data(), s.size()};
}

// ---- fields in order ----

bool read_in_order(ondemand::object object, const bench_cells &c, uint32_t row) {
    std::string_view customer, status, updated, note;
    if (object["id"].get(c.integers[0][row]) || object["customer"]["id"].get(customer) ||
        object["total_cents"].get(c.integers[2][row]) || object["status"].get(status) ||
        object["updated"].get(updated) || object["note"].get(note) ||
        !bench_timestamp(view(updated), &c.integers[4][row])) {
        return false;
    }
    c.texts[1][row] = view(customer);
    c.texts[3][row] = view(status);
    c.texts[5][row] = view(note);
    for (auto is_null : c.is_null) {
        is_null[row] = 0;
    }
    return true;
}

// ---- the whole work ----

struct known_key {
    std::string name;
    int column = no_column;
    unsigned kinds = 0;
    int64_t records = 0;
    uint64_t seen = 0;
    known_key *next = nullptr; // what came behind it last time
};

struct known_object {
    std::unordered_map<std::string, known_key *> by_name;
    known_key *first = nullptr;
};

// simdjson hands values out in this way; depth_max ends it. NOLINTBEGIN(misc-no-recursion)
class whole_reader {
  public:
    whole_reader() {
        static const char *const names[] = {"id", "", "total_cents", "status", "updated", "note"};
        for (int i = 0; i < BENCH_COLUMNS; i++) {
            if (i != 1) {
                add(root, names[i], i);
            }
        }
        add(root, "customer", customer_object);
        add(customer, "id", 1);
    }

    void read_batch(const struct batch *b, struct rows *rows, struct bench_drift *drift) {
        const uint32_t count = bench_count(b);
        uint32_t row = 0;
        begin_batch(rows);
        for (uint32_t i = 0; i < count; i++) {
            if (read_record(bench_record(b, i), row)) {
                cells.pos[row++] = i;
            }
        }
        bench_set_count(rows, row);
        sum_up(drift);
    }

  private:
    ondemand::parser parser;
    std::deque<known_key> keys;
    known_object root;
    known_object customer;
    std::deque<std::string> unescaped; // text cells that were written with escapes
    bench_cells cells{};
    uint64_t record = 0;
    unsigned kinds[BENCH_COLUMNS] = {}; // of this record
    unsigned all_kinds[BENCH_COLUMNS] = {};
    int64_t present[BENCH_COLUMNS] = {};

    known_key *add(known_object &o, std::string name, int column) {
        keys.push_back(known_key{name, column});
        o.by_name[name] = &keys.back();
        return &keys.back();
    }

    void begin_batch(struct rows *rows) {
        bench_cells_of(rows, &cells);
        unescaped.clear();
        std::memset(all_kinds, 0, sizeof all_kinds);
        std::memset(present, 0, sizeof present);
        for (auto &key : keys) {
            key.kinds = 0;
            key.records = 0;
        }
    }

    // A string's inside, as it stands in the record or, when it holds escapes, in simdjson's buffer.
    static bool string_of(ondemand::value &value, std::string_view &out, bool &has_escape) {
        const std::string_view token = value.raw_json_token(); // up to the next token
        has_escape = std::memchr(token.data(), '\\', token.size()) != nullptr;
        if (has_escape) {
            return !value.get_string().get(out);
        }
        size_t end = token.size() - 1;
        while (token[end] != '"') {
            end--;
        }
        out = token.substr(1, end - 1);
        ondemand::raw_json_string raw;
        return !value.get_raw_json_string().get(raw); // moves on
    }

    static bool number_of(ondemand::value &value, unsigned &kind, ondemand::number &number) {
        if (value.get_number().get(number)) {
            return false;
        }
        kind = number.get_number_type() == ondemand::number_type::floating_point_number
                   ? kind_number
                   : kind_integer;
        return true;
    }

    static bool walk_members(ondemand::object object, int depth) {
        for (auto field : object) {
            std::string_view key;
            ondemand::value value;
            unsigned kind = 0;
            if (field.unescaped_key().get(key) || field.value().get(value) ||
                !walk(value, depth, kind)) {
                return false;
            }
        }
        return true;
    }

    static bool walk_elements(ondemand::array array, int depth) {
        for (auto element : array) {
            ondemand::value value;
            unsigned kind = 0;
            if (element.get(value) || !walk(value, depth, kind)) {
                return false;
            }
        }
        return true;
    }

    // Reads a value nobody wants; depth is how many objects and arrays it stands in.
    static bool walk(ondemand::value &value, int depth, unsigned &kind) {
        ondemand::json_type type;
        if (value.type().get(type)) {
            return false;
        }
        switch (type) {
        case ondemand::json_type::object: {
            ondemand::object object;
            kind = kind_object;
            return depth < depth_max && !value.get_object().get(object) &&
                   walk_members(object, depth + 1);
        }
        case ondemand::json_type::array: {
            ondemand::array array;
            kind = kind_array;
            return depth < depth_max && !value.get_array().get(array) &&
                   walk_elements(array, depth + 1);
        }
        case ondemand::json_type::string: {
            std::string_view text;
            kind = kind_string;
            return !value.get_string().get(text);
        }
        case ondemand::json_type::number: {
            ondemand::number number;
            return number_of(value, kind, number);
        }
        case ondemand::json_type::boolean: {
            bool is_true = false;
            kind = kind_bool;
            return !value.get_bool().get(is_true);
        }
        case ondemand::json_type::null:
            kind = kind_null;
            return value.is_null();
        }
        return false;
    }

    bool set_text(ondemand::value &value, int column, uint32_t row, unsigned &kind) {
        std::string_view text;
        bool has_escape = false;
        kind = kind_string;
        if (!string_of(value, text, has_escape)) {
            return false;
        }
        if (has_escape) {
            if (std::memchr(text.data(), 0, text.size()) != nullptr) {
                return false;
            }
            unescaped.emplace_back(text);
            text = unescaped.back();
        }
        if (column == 4) {
            return bench_timestamp(view(text), &cells.integers[column][row]);
        }
        cells.texts[column][row] = view(text);
        return true;
    }

    bool set_column(ondemand::value &value, int column, uint32_t row) {
        ondemand::json_type type;
        if (value.type().get(type)) {
            return false;
        }
        unsigned &kind = kinds[column];
        if (type == ondemand::json_type::null) {
            kind = kind_null;
            return value.is_null();
        }
        cells.is_null[column][row] = 0;
        if (column == 0 || column == 2) {
            kind = kind_integer; // anything but a whole number that fits is refused
            return !value.get_int64().get(cells.integers[column][row]);
        }
        return type == ondemand::json_type::string && set_text(value, column, row, kind);
    }

    known_key *find_key(simdjson_result<ondemand::field> &field, known_object &o, known_key *last) {
        known_key *guess = last != nullptr ? last->next : o.first;
        const char *raw = field.key().value_unsafe().raw();
        if (guess != nullptr && std::memcmp(raw, guess->name.data(), guess->name.size()) == 0 &&
            raw[guess->name.size()] == '"') {
            return guess;
        }
        std::string_view name;
        if (field.unescaped_key().get(name)) {
            return nullptr;
        }
        auto found = o.by_name.find(std::string(name));
        known_key *key = found != o.by_name.end() ? found->second : add(o, std::string(name), -1);
        (last != nullptr ? last->next : o.first) = key;
        return key;
    }

    bool read_member(ondemand::value &value, known_key *key, uint32_t row) {
        if (key->column >= 0) {
            return set_column(value, key->column, row);
        }
        if (key->column == customer_object) {
            ondemand::object object;
            return !value.get_object().get(object) && read_object(object, customer, row);
        }
        unsigned kind = 0;
        if (!walk(value, 1, kind)) {
            return false;
        }
        key->kinds |= kind;
        key->records++;
        return true;
    }

    bool read_object(ondemand::object object, known_object &o, uint32_t row) {
        known_key *last = nullptr;
        for (auto field : object) {
            ondemand::value value;
            if (field.error()) {
                return false;
            }
            known_key *key = find_key(field, o, last);
            if (key == nullptr || key->seen == record || field.value().get(value) ||
                !read_member(value, key, row)) {
                return false;
            }
            key->seen = record;
            last = key;
        }
        return true;
    }

    bool finish_columns(uint32_t row) {
        bool has_required = true;
        for (int i = 0; i < BENCH_COLUMNS; i++) {
            all_kinds[i] |= kinds[i];
            present[i] += kinds[i] != 0;
            if (kinds[i] == 0 || kinds[i] == kind_null) {
                cells.is_null[i][row] = 1;
                has_required = has_required && i >= 2;
            }
        }
        return has_required;
    }

    bool read_record(bench_text r, uint32_t row) {
        ondemand::document doc;
        ondemand::object object;
        record++;
        std::memset(kinds, 0, sizeof kinds);
        return !parser.iterate(r.ptr, r.len, r.len + SIMDJSON_PADDING).get(doc) &&
               !doc.get_object().get(object) && read_object(object, root, row) &&
               doc.current_location().error() == OUT_OF_BOUNDS && finish_columns(row);
    }

    void sum_up(struct bench_drift *drift) const {
        for (int i = 0; i < BENCH_COLUMNS; i++) {
            drift->declared_kinds += all_kinds[i];
            drift->declared_present += static_cast<uint64_t>(present[i]);
        }
        for (const auto &key : keys) {
            drift->undeclared_fields += key.records != 0;
            drift->undeclared_kinds += key.kinds * static_cast<uint64_t>(key.records);
        }
    }
};
// NOLINTEND(misc-no-recursion)

} // namespace

extern "C" void bench_simdjson_fields(const struct batch *b, struct rows *rows) {
    static ondemand::parser parser; // keeps its memory from batch to batch, as our decoder does
    const uint32_t count = bench_count(b);
    bench_cells cells;
    uint32_t row = 0;
    bench_cells_of(rows, &cells);
    for (uint32_t i = 0; i < count; i++) {
        const bench_text r = bench_record(b, i);
        ondemand::document doc;
        ondemand::object object;
        if (!parser.iterate(r.ptr, r.len, r.len + SIMDJSON_PADDING).get(doc) &&
            !doc.get_object().get(object) && read_in_order(object, cells, row)) {
            cells.pos[row++] = i;
        }
    }
    bench_set_count(rows, row);
}

extern "C" void bench_simdjson_whole(const struct batch *b, struct rows *rows,
                                     struct bench_drift *drift) {
    static whole_reader reader;
    reader.read_batch(b, rows, drift);
}

extern "C" const char *bench_simdjson_name() {
    static const std::string name = get_active_implementation()->name();
    return name.c_str();
}
