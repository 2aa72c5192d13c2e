%% A one_for_one supervisor with a gen_server for each line of a file, which
%% runs the workload with that line as its argument, in a port.
-module(gosup_bench).
-export([start/0, start_link/2, init/1]).
-export([handle_call/3, handle_cast/2, handle_info/2]).

start() ->
    [Workload, File] = init:get_plain_arguments(),
    {ok, Text} = file:read_file(File),
    Lines = string:lexemes(Text, "\n"),
    spawn(fun() ->
        {ok, _} = supervisor:start_link(?MODULE, {top, Workload, Lines}),
        receive never -> ok end
    end).

start_link(Workload, Line) ->
    gen_server:start_link(?MODULE, {port, Workload, Line}, []).

init({top, Workload, Lines}) ->
    Children = [
        #{id => Line, start => {?MODULE, start_link, [Workload, Line]}, shutdown => brutal_kill}
        || Line <- Lines
    ],
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1}, Children}};
init({port, Workload, Line}) ->
    {ok, open_port({spawn_executable, Workload}, [{args, [Line]}, exit_status, binary])}.

handle_info({Port, {exit_status, _}}, Port) -> {stop, normal, Port};
handle_info(_, Port) -> {noreply, Port}.

handle_call(_, _, Port) -> {reply, ok, Port}.

handle_cast(_, Port) -> {noreply, Port}.
