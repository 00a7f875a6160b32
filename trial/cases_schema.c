/* The JSON Schema of a file of tests. What tables and columns there are, only the flow knows, so it
 * says which keys may stand where; reasons come from where rejects get them. */
#include "base/json.h"
#include "rows/contract.h"
#include "trial/cases.h"

/* Up to the reasons, and on from there. */
static const char before[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"plumb tests\","
    "\"type\":\"object\",\"required\":[\"tests\"],\"additionalProperties\":false,\"properties\":{"
    "\"tests\":{\"description\":\"The tests, by name.\",\"type\":\"object\","
    "\"additionalProperties\":{\"$ref\":\"#/$defs/test\"}}},\"$defs\":{"
    "\"cell\":{\"type\":[\"string\",\"number\",\"boolean\",\"null\"]},"
    "\"row\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/$defs/cell\"}},"
    "\"rows\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/row\"}},"
    "\"batch\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"meta\","
    "\"text\"],"
    "\"additionalProperties\":false,\"properties\":{\"meta\":{\"type\":[\"string\",\"number\"]},"
    "\"text\":{\"type\":\"string\"}}}]},"
    "\"reject\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"source\":{\"type\":\"string\"},\"transform\":{\"type\":\"string\"},"
    "\"column\":{\"type\":\"string\"},\"count\":{\"type\":\"integer\",\"minimum\":1},"
    "\"reason\":{\"enum\":[";
static const char after[] =
    "]}}},"
    "\"test\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"at\":{\"description\":\"What the clock says, RFC 3339.\",\"type\":\"string\"},"
    "\"records\":{\"description\":\"Raw records by source; each text is a "
    "batch.\",\"type\":\"object\","
    "\"additionalProperties\":{\"anyOf\":[{\"$ref\":\"#/$defs/"
    "batch\"},{\"type\":\"array\",\"minItems\":1,"
    "\"items\":{\"$ref\":\"#/$defs/batch\"}}]}},"
    "\"rows\":{\"description\":\"Rows that are there before, by table.\",\"type\":\"object\","
    "\"additionalProperties\":{\"$ref\":\"#/$defs/rows\"}},"
    "\"transform\":{\"description\":\"Run this one alone.\",\"type\":\"string\"},"
    "\"decode\":{\"description\":\"Only decode this source.\",\"type\":\"string\"},"
    "\"expect\":{\"description\":\"What tables hold then: all rows, or some by key.\","
    "\"type\":\"object\",\"additionalProperties\":{\"anyOf\":[{\"$ref\":\"#/$defs/rows\"},"
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"has\":{\"$ref\":\"#/$defs/rows\"},\"absent\":{\"$ref\":\"#/$defs/rows\"}}}]}},"
    "\"rejects\":{\"description\":\"Every reject.\",\"type\":\"array\","
    "\"items\":{\"$ref\":\"#/$defs/reject\"}},"
    "\"error\":{\"description\":\"A part of the error that the run ends "
    "with.\",\"type\":\"string\"}"
    "}}}}\n";

void cases_json_schema(struct buf *out) {
    static const char *const reasons[] = {
#define X(name, text) text,
        REJECT_REASONS(X)
#undef X
    };
    buf_adds(out, before);
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        buf_addf(out, "%s\"%s\"", i > 0 ? "," : "", reasons[i]);
    }
    buf_adds(out, after);
}
