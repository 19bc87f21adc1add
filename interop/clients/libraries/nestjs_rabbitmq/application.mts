// What the programs share: a NestJS application with services that use AMQP.

import {
  AmqpConnection,
  RabbitMQModule,
  type RabbitMQConfig,
} from "@golevelup/nestjs-rabbitmq";
import { Module, type Provider } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import "reflect-metadata";
import { AMQP_URL } from "./checks.mjs";

/** Does something with the connection of an application that has these services. */
export async function withServices(
  services: Provider[],
  config: Partial<RabbitMQConfig>,
  work: (connection: AmqpConnection) => Promise<void>,
) {
  @Module({
    imports: [
      RabbitMQModule.forRoot({
        uri: AMQP_URL,
        connectionInitOptions: { timeout: 20_000 },
        connectionManagerOptions: { reconnectTimeInSeconds: 0.1 },
        ...config,
      }),
    ],
    providers: services,
  })
  class Application {}

  const application = await NestFactory.createApplicationContext(Application, {
    abortOnError: false,
    logger: false,
  });
  try {
    await work(application.get(AmqpConnection));
  } finally {
    await application.close();
  }
}
