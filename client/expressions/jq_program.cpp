#include "client/expressions/jq_program.hpp"

#include <cmath>
#include <string_view>
#include <utility>

extern "C" {
#include <jq.h>
#include <jv.h>
}

namespace millrace::expressions {
namespace {

constexpr std::size_t outputs_max = 1'000;
/// Secrets stand in the environment, and programs come from whoever may ask for letters. On the
/// line of the program, so that lines in jq's words stay right.
constexpr std::string_view without_environment = "def env: {}; {} as $ENV | ";

std::string text_of(jv value) {
    jv text = jv_dump_string(value, 0);
    std::string made(jv_string_value(text),
                     static_cast<std::size_t>(jv_string_length_bytes(jv_copy(text))));
    jv_free(text);
    return made;
}

void collect_error(void* out, jv message) {
    auto& text = *static_cast<std::string*>(out);
    if (text.empty() && jv_get_kind(message) == JV_KIND_STRING) {
        text = jv_string_value(message);
    }
    jv_free(message);
}

}  // namespace

struct JqProgram::State {
    jq_state* jq = jq_init();
    std::string errors;

    State() {
        jq_set_error_cb(jq, collect_error, &errors);
        // Without a path `include` ends the process; with this one it finds nothing.
        jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    State(State&&) = delete;
    State& operator=(State&&) = delete;
    ~State() { jq_teardown(&jq); }
};

Result<JqProgram> JqProgram::compile(const std::string& program) {
    auto state = std::make_shared<State>();
    const auto compiles = [&state](const std::string& text) {
        state->errors.clear();
        return jq_compile(state->jq, text.c_str()) != 0;
    };
    const std::string bare(without_environment);
    // Nothing, or a remark alone, is a program too. What fails is said of the program as it came.
    if (compiles(bare + program) || (compiles(program) && compiles(bare + program + "\n."))) {
        return JqProgram(std::move(state));
    }
    auto text = state->errors.empty() ? std::string("jq does not accept it") : state->errors;
    text = text.substr(0, text.find('\n'));
    return fail(Errc::configuration, text);
}

Result<std::vector<std::string>> JqProgram::run(const std::string& input) const {
    auto& state = *state_;
    jv value = jv_parse_sized(input.data(), static_cast<int>(input.size()));
    if (jv_is_valid(value) == 0) {
        jv_free(value);
        return fail(Errc::malformed, "the event is not JSON");
    }
    state.errors.clear();
    jq_start(state.jq, value, 0);
    std::vector<std::string> outputs;
    jv output = jq_next(state.jq);
    while (jv_is_valid(output) != 0 && outputs.size() < outputs_max) {
        outputs.push_back(text_of(output));
        output = jq_next(state.jq);
    }
    std::string error;
    if (jv_is_valid(output) == 0 && jv_invalid_has_msg(jv_copy(output)) != 0) {
        jv message = jv_invalid_get_msg(jv_copy(output));
        if (jv_get_kind(message) == JV_KIND_STRING) {
            error = jv_string_value(message);
            jv_free(message);
        } else {
            error = text_of(message);
        }
    }
    jv_free(output);
    if (!error.empty()) {
        return fail(Errc::invalid_argument, error);
    }
    return outputs;
}

}  // namespace millrace::expressions
