#include "client/expressions/jq_program.hpp"

#include <algorithm>
#include <cstdlib>
#include <list>
#include <mutex>
#include <string_view>
#include <utility>

#include "client/expressions/run_watch.hpp"

extern "C" {
#include <jq.h>
#include <jv.h>
}

namespace millrace::expressions {
namespace {

constexpr std::size_t outputs_max = 1'000;
/// What programs see in place of jq's own, on the line of the program, so that lines in jq's words
/// stay right:
/// - no environment and no log of the broker, for secrets stand in it, and programs come from
/// whoever may ask for letters;
/// - no functions that end the process, or never end, for some values of an event (jq 1.6);
/// - no `halt`: nothing but the limit of time stops a run.
constexpr std::string_view other_builtins =
    R"(def env: {}; def stderr: .; )"
    R"(def halt: error("halt is not here"); def halt_error: halt; def halt_error(code): halt; )"
    R"(def jn(n; x): error("jn is not here"); )"
    R"(def _indices(i): indices(i); )"
    R"(def indices($i): if $i == "" and type == "string" then null else _indices($i) end; )"
    R"(def _strindices(i): error("_strindices is not here"); )"
    R"(def index($i): indices($i) | .[0]; def rindex($i): indices($i) | .[-1:][0]; )"
    R"(def _time(f): if type == "number" and (fabs > 1e15 or isnan) )"
    R"(then error("a number that is no time") else f end; )"
    R"(def _strftime(f): strftime(f); def strftime(f): _time(_strftime(f)); )"
    R"(def _strflocaltime(f): strflocaltime(f); def strflocaltime(f): _time(_strflocaltime(f)); )"
    R"(def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ"); def todate: todateiso8601; )"
    R"(def date: todate; {} as $ENV | )";

std::string text_of(jv value) {
    jv text = jv_dump_string(value, 0);
    std::string made(jv_string_value(text),
                     static_cast<std::size_t>(jv_string_length_bytes(jv_copy(text))));
    jv_free(text);
    return made;
}

/// Without what jq says to those who call it from a shell: "(Unix shell quoting issues?) at
/// <top-level>, line 1:".
std::string in_own_words(std::string text) {
    const auto replace = [&text](std::string_view old, std::string_view other) {
        if (const auto at = text.find(old); at != std::string::npos) {
            text.replace(at, old.size(), other);
        }
    };
    replace(" (Unix shell quoting issues?)", "");
    replace(" at <top-level>, line ", " in line ");
    if (text.ends_with(':')) {
        text.pop_back();
    }
    return text;
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
    std::string program;
    jq_state* jq = jq_init();
    std::string errors;
    RunWatch::Watched watched{[this] { jq_halt(jq, jv_null(), jv_null()); }};

    explicit State(std::string text) : program(std::move(text)) {
        jq_set_error_cb(jq, collect_error, &errors);
        // jq leaves these two to chance.
        jq_set_input_cb(jq, nullptr, nullptr);
        jq_set_debug_cb(jq, nullptr, nullptr);
        // Without a path `include` ends the process; with this one it finds nothing.
        jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    State(State&&) = delete;
    State& operator=(State&&) = delete;
    ~State() { jq_teardown(&jq); }
};

/// Programs that nobody holds at the moment. Compiling costs milliseconds, for jq reads its own
/// library each time, and the same filter is asked for again with the next query, job or restart.
///
/// Threads:  any.
class JqProgram::Idle {
  public:
    static Idle& instance() {
        // Never destroyed, for programs of static storage may come back late; what it has at the
        // end of the process goes then.
        static auto& idle = []() -> Idle& {
            (void)std::atexit([] { instance().clear(); });
            return *new Idle;  // NOLINT(cppcoreguidelines-owning-memory)
        }();
        return idle;
    }

    std::unique_ptr<State> take(const std::string& program) {
        const std::scoped_lock lock(mutex_);
        const auto found = std::ranges::find_if(
            states_, [&program](const auto& state) { return state->program == program; });
        if (found == states_.end()) {
            return nullptr;
        }
        auto state = std::move(*found);
        states_.erase(found);
        return state;
    }

    void put(std::unique_ptr<State> state) {
        const std::scoped_lock lock(mutex_);
        states_.push_front(std::move(state));
        if (states_.size() > states_max) {
            states_.pop_back();
        }
    }

    void clear() {
        const std::scoped_lock lock(mutex_);
        states_.clear();
    }

  private:
    static constexpr std::size_t states_max = 32;  ///< about 1 MB each
    std::mutex mutex_;
    std::list<std::unique_ptr<State>> states_;  ///< the latest first
};

JqProgram::JqProgram(std::unique_ptr<State> state)
    : state_(state.release(),
             [](State* back) { Idle::instance().put(std::unique_ptr<State>(back)); }) {}

Result<JqProgram> JqProgram::compile(const std::string& program) {
    if (auto idle = Idle::instance().take(program)) {
        return JqProgram(std::move(idle));
    }
    auto state = std::make_unique<State>(program);
    const auto compiles = [&state](const std::string& text) {
        state->errors.clear();
        return jq_compile(state->jq, text.c_str()) != 0;
    };
    const std::string begin(other_builtins);
    // Nothing, or a remark alone, is a program too. What fails is said of the program as it came.
    if (compiles(begin + program) || (compiles(program) && compiles(begin + program + "\n."))) {
        return JqProgram(std::move(state));
    }
    auto text = state->errors.empty() ? std::string("jq does not accept it") : state->errors;
    return fail(Errc::configuration, in_own_words(text.substr(0, text.find('\n'))));
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
    state.watched.begin();
    std::vector<std::string> outputs;
    jv output = jq_next(state.jq);
    while (jv_is_valid(output) != 0 && outputs.size() < outputs_max) {
        outputs.push_back(text_of(output));
        output = jq_next(state.jq);
    }
    const bool was_stopped = state.watched.end();
    std::string error;
    if (was_stopped) {
        error = "the program takes more than " + std::to_string(RunWatch::run_time_max.count()) +
                " s of a processor's time (run_time_max)";
    } else if (jv_is_valid(output) == 0 && jv_invalid_has_msg(jv_copy(output)) != 0) {
        jv message = jv_invalid_get_msg(jv_copy(output));
        if (jv_get_kind(message) == JV_KIND_STRING) {
            error = jv_string_value(message);
            jv_free(message);
        } else {
            error = text_of(message);
        }
    }
    jv_free(output);
    if (was_stopped || outputs.size() == outputs_max) {
        jq_start(state.jq, jv_null(), 0);  // lets go of what it was about
    }
    if (!error.empty()) {
        return fail(Errc::invalid_argument, error);
    }
    return outputs;
}

}  // namespace millrace::expressions
