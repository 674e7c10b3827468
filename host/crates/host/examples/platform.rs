//! A platform that runs an applet for one of its tenants: `platform DATA-DIRECTORY PACKAGE`.

use std::{error::Error, process::ExitCode};

use applet_host::{AppletHost, Call, Caller, Compiler, Decision};

fn main() -> ExitCode {
    // First of all: components are compiled in a process of their own, which is this program, started again.
    let compiler = match Compiler::this_program() {
        Ok(compiler) => compiler,
        Err(compiled) => return compiled,
    };
    platform(compiler)
        .inspect_err(|error| eprintln!("{error}"))
        .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

#[tokio::main]
async fn platform(compiler: Compiler) -> Result<(), Box<dyn Error>> {
    let [data, package] = [1, 2].map(|at| std::env::args().nth(at).unwrap_or_default());
    let host = AppletHost::builder(compiler)
        .data_directory(data)
        .tables("schema.sql", include_str!("../../../demo/schema.sql"))
        .tables("data.sql", include_str!("../../../demo/data.sql"))
        .on_notice(|notice| eprintln!("{notice:?}"))
        .allow_unpatched(true)
        .build()
        .await?;
    // Whoever the platform has let in, and for which tenant: nothing else says whose rows an applet sees.
    let (tenant, workspace) =
        ("11111111-1111-4111-8111-111111111111".parse()?, "11111111-0000-4000-8000-000000000001".parse()?);
    let ann = Caller::admin(tenant, "a0000000-0000-4000-8000-000000000001".parse()?);
    host.ensure_workspace(tenant, workspace, "Alder Dental").await?;

    let applet = host.submit_file(&ann, package).await?.applet;
    let planned = host.plan(&ann, workspace, &applet, None).await?;
    println!("{}", planned.plan.render()); // This is what Ann is shown, and says yes to.
    host.approve(&ann, workspace, &applet, &Decision::everything(planned.record.id)).await?;
    host.install(&ann, workspace, &applet).await?;

    let call = Call::new(workspace, &applet, "summary".parse()?);
    let answer = host.call(&Caller::platform(tenant), call).await?;
    println!("{} in {} µs", answer.json(), answer.usage().wall_us);
    host.close().await?;
    Ok(())
}
